"""Sends mail: on this machine the mail server reads what is in the folder outbox."""

import os
import uuid

import config


def send(to, subject, text):
    if not os.path.isdir(config.outbox):
        os.makedirs(config.outbox)
    f = open(os.path.join(config.outbox, "%s.eml" % uuid.uuid4().hex), "w")
    f.write("From: %s\nTo: %s\nSubject: %s\n\n%s\n" % (config.sender, to, subject, text))
    f.close()


def sent():
    return os.path.isdir(config.outbox) and len(os.listdir(config.outbox)) or 0
