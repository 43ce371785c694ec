from insitu.loading import loading

with loading():
    from cli import main

main()
