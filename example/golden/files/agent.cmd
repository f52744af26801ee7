@echo off
rem A file that the example puts into the image.
