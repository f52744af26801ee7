@echo off
rem Runs once, at the end of the first boot, as SYSTEM.
echo ready > C:\Tools\ready.txt
