"""FieldGuide: a generated set of birds whose species differ in a few small parts, with the mask of every part."""
