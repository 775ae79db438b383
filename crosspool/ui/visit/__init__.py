"""One visitor's images, labels and link: where they come from and when they are forgotten."""
