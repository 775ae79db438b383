"""The guided lesson: from a photo to P in eight steps."""

from crosspool.ui.lesson.page import lesson_page

lesson_page()
