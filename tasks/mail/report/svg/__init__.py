"""The picture of a run: what took how long, to scale, as SVG and as text."""
