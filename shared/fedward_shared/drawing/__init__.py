"""Pages and small plots for reports: plain HTML and SVG that load nothing from anywhere."""
