"""For teachers: timing, questions, misconceptions, and a worksheet to print."""

from crosspool.ui.lesson.teachers import teachers_page

teachers_page()
