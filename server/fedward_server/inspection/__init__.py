"""A first data contract from a table that a researcher may describe in public: `study init --from FILE`."""

from fedward_server.inspection.drafting import draft
from fedward_server.inspection.profiles import profile
from fedward_server.inspection.questions import Interview, interview
from fedward_server.inspection.reading import Sample, read_sample

__all__ = ["Interview", "Sample", "draft", "interview", "profile", "read_sample"]
