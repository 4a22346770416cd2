"""How a site joins: a one-time token and two proofs of possession against a certificate."""

from fedward_server.enrolment.desk import EnrolmentDesk
from fedward_server.enrolment.rate import RateLimit
from fedward_server.enrolment.service import EnrolmentService, serve_enrolment

__all__ = ["EnrolmentDesk", "EnrolmentService", "RateLimit", "serve_enrolment"]
