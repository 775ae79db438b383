"""One channel: the classes that it speaks for, what it looks for, its strongest patches, and the maps most like it."""

from crosspool.ui.channel.page import channel_page

channel_page()
