"""The model cobolt, written anew from its paper.

Gong, Zhou and Purdom 2021, "Cobolt: integrative analysis of multimodal single-cell sequencing
data", Genome Biology 22:351, doi 10.1186/s13059-021-02556-z. Equations in the modules are named
by what they compute; the paper's Methods hold them all.
"""
