"""The Django project: settings, URLs, and the application object that gunicorn serves."""
