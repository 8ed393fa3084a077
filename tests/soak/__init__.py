"""What shows only after a long time: programs that run for as long as one likes, and short runs of them for every day.

cd tests && python -m soak.cuts --cuts 1000
cd tests && python -m soak.short --processes 10000
"""
