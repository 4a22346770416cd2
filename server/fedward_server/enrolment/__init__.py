"""One-time-token enrolment and the certificate authority."""
