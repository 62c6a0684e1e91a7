// Athenatrail tells who ran what in Amazon Athena, what it scanned, and what
// it cost. Everything is in internal/cli.
package main

import (
	"context"
	"os"

	"github.com/athenatrail/athenatrail/internal/cli"
)

func main() {
	os.Exit(cli.Main(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
