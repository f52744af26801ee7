// Command makemedia writes stand-in Windows install media for the examples and tests.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	"github.com/winbake/packer-plugin-winbake/internal/standin"
)

func main() {
	out := flag.String("out", "", "the folder to write")
	files := flag.Int("files", 0, "roughly how many files WinSxS holds (0: 400)")
	flag.Parse()
	if *out == "" || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	if err := standin.Media(context.Background(), *out, standin.Options{Files: *files}); err != nil {
		fmt.Fprintln(os.Stderr, "makemedia:", err)
		os.Exit(1)
	}
	fmt.Println("stand-in install media in", *out)
}
