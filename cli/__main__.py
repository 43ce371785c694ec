from insitu.loading import loading

with loading():
    from cli.main import main

main()
