"""The lab's page, on which the browser runs the four modes and draws them side by side."""

from app.lab.modes import MODES
from app.pages import page
from app.settings import settings
from app.web.csrf import form_token
from app.web.problems import Problem


class Page:
    """The page of the lab; where it is off, a 404 that names the setting."""

    def GET(self):
        if not settings.lab:
            raise Problem(404, "The lab is off: the setting SITE_LAB is not on.")
        return page("lab", MODES, form_token())
