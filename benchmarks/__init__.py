"""What crosspool costs and survives, one command a question; README.md here lists them."""

import os

# Before torch is imported: threads that wait for each other by spinning hold up everybody, themselves first, as soon as
# another process wants a core, and a forward pass of 50 ms can take a second. OMP_WAIT_POLICY=active measures that.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
