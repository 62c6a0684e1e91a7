package cli

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/athenatrail/athenatrail/cloudtrail"
	"github.com/athenatrail/athenatrail/internal/lake"
)

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of the program, the lake format and the decoder",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintf(a.stdout, "athenatrail %s (lake format %d, decoder %d, %s %s/%s)\n",
				version(), lake.FormatVersion, cloudtrail.DecoderVersion, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}
