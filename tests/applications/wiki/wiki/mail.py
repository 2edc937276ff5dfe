"""Sends mail: on this machine the mail server reads what is in the folder outbox."""

import os
import time

import web

from wiki import config


def send(to, subject, text):
    if not os.path.isdir(config.outbox):
        os.makedirs(config.outbox)
    name = os.path.join(config.outbox, "%s-%s.eml" % (time.time(), web.urlquote(to)))
    f = open(name, "a")
    f.write("From: %s\nTo: %s\nSubject: %s\n\n%s\n" % (config.sender, to, subject, text))
    f.close()
