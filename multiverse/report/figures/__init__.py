"""Figures of a results folder as SVG and PDF, ready for a paper."""
