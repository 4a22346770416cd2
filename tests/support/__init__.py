"""What tests start from and lean on. Nothing here is a test.

Values: `samples` (a study file), `cohorts` (contracts, rows, imports), `training_orders` (orders to a trainer).
One side played by a fake: `vaults` (one vault and the coordinator's keys), `fake_sites` (hospitals without a vault, for
the rounds), `echo` (a vault that sends back what it gets, for the link), `enrolment` (a consortium that invites).
Real processes: `processes` (started on a leash, always ended), `federation` (coordinator and sites through the command
lines), `vault_child` and `rounds_crash` (programs that die where they are told), `pages` (documentation as a script).
"""
