"""A site's network-facing process: relays between door and link, holds no data, and is trusted by nobody."""
