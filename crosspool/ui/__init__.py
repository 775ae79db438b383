"""What the pages share: computing with caches, links, widgets. Streamlit is imported here and in the pages only."""
