from pqa_lab.cli import main

main()
