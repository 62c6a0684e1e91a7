package cli

import (
	"github.com/spf13/cobra"

	"github.com/athenatrail/athenatrail/internal/format"
)

func (a *app) configCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "config",
		Short: "Show every setting, and where its value came from",
		Long: `Show every setting and where its value came from: a flag, an ATHENATRAIL_*
environment variable, the configuration file with its line, or the default.
Secrets are masked.`,
		Example: `  athenatrail config
  ATHENATRAIL_LAKE=s3://my-lake athenatrail config --output json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.config(cmd.Context())
			if err != nil {
				return err
			}
			var rows [][]any
			for _, v := range c.Values() {
				rows = append(rows, []any{v.Key, v.Value, v.Origin})
			}
			return a.write(&format.Result{
				View:    "config",
				Columns: []format.Column{{Name: "key", Kind: format.Text}, {Name: "value", Kind: format.Text}, {Name: "origin", Kind: format.Text}},
				Rows:    format.RowsOf(rows),
			})
		},
	}
}
