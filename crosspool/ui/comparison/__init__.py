"""Methods compared on labelled images: plan, background job, and what came out."""
