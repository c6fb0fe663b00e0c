"""Locations: the directories where archives lie.

services  views  forms     verbs on locations; their pages
facts  forecast  paths     what the pages show beside the rows; when one is full; how a directory is written
collector                  the look at a directory, by the worker of its host
folder  opening            what a look does to files: what lies there; what an unknown archive says of itself
matching  adopting         files beside our rows; what becomes of those rows
"""
