"""Maps as drawings from the server: the part of the world that a page shows, and the ground below its sites.
It imports nothing of pages, and asks no other machine.
"""
