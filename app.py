"""The app: the server when imported, one visitor's page when run. `make app` and `crosspool serve` start it."""

import os

import streamlit as st

# Set before torch is imported: threads that spin while they wait take the cores from all others, also the server's.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

if __name__ == "__main__":
    from crosspool.ui.serving.frame import show_page

    show_page()
elif __name__ == "app":
    from crosspool.ui.runtime.settings import settings_or_exit

    settings = settings_or_exit()  # before the slow imports, so that a mistake is reported at once
    from crosspool.ui.serving.asgi import app_parts

    app = st.App(__file__, **app_parts(settings))
