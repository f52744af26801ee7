// Command makemedia writes stand-in Windows install media for the examples and tests, and a driver beside
// them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"

	"github.com/winbake/packer-plugin-winbake/internal/standin"
)

func main() {
	out := flag.String("out", "", "the folder to write")
	drivers := flag.String("drivers", "", "a folder for a stand-in driver; none if empty")
	files := flag.Int("files", 0, "roughly how many files WinSxS holds (0: 400)")
	flag.Parse()
	if *out == "" || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	err := standin.Media(context.Background(), *out, standin.Options{Files: *files})
	if *drivers != "" {
		err = errors.Join(err, standin.Driver(*drivers))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "makemedia:", err)
		os.Exit(1)
	}
	fmt.Println("stand-in install media in", *out)
}
