from insitu.loading import loading

with loading():
    from insitu.cli import main

main()
