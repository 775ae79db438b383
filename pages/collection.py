"""A collection of images as a network sees it: by channels, by likeness, by classes."""

from crosspool.ui.collection.page import collection_page

collection_page()
