package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/athenatrail/athenatrail/internal/config"
	"github.com/athenatrail/athenatrail/internal/format"
	"github.com/athenatrail/athenatrail/internal/notify"
	"github.com/athenatrail/athenatrail/internal/notify/carrier"
	"github.com/athenatrail/athenatrail/internal/setup"
)

func (a *app) notifyCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "notify",
		Short: "The channels on which people are told: test",
		Long: `Channels stand in the configuration, under the key notify: on which to tell whom,
of what, and when not. See docs/notifications.md.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return usage("notify: want test; see athenatrail notify --help")
		},
	}
	c.AddCommand(a.notifyTestCommand())
	return c
}

func (a *app) notifyTestCommand() *cobra.Command {
	var to []string
	var person string
	c := &cobra.Command{
		Use:   "test",
		Short: "Send a test message on each channel, and say what became of it",
		Long: `Send a test message on each channel of the configuration, whatever its kinds and
quiet hours, and say what became of it. A channel that tells persons themselves
needs --person: whom to tell. Exit code 3 means that a channel failed. Nothing
is written into the lake.`,
		Example: `  athenatrail notify test
  athenatrail notify test --to people --person rosa@example.com`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.notifyTest(cmd.Context(), to, person) },
	}
	f := c.Flags()
	f.StringArrayVar(&to, "to", nil, "only the channel with this name; repeatable")
	f.StringVar(&person, "person", "", "whom to tell on channels to persons: an e-mail address")
	return c
}

// noChannels says that there is nothing to send on.
func noChannels(e *setup.Env) error {
	where := e.File
	if where == "" {
		where = config.DefaultFile
	}
	return hint(errors.New("there are no channels"), "write some into %s, under the key notify: see docs/notifications.md", where)
}

func (a *app) notifyTest(ctx context.Context, to []string, person string) error {
	e, err := a.env(ctx)
	if err != nil {
		return err
	}
	if len(e.Notify) == 0 {
		return &exitError{exitUsage, noChannels(e)}
	}
	if person != "" && !notify.IsAddress(person) {
		return usage("--person %q: want an e-mail address", person)
	}
	channels, err := named(e.Notify, to)
	if err != nil {
		return err
	}
	failed := false
	var rows [][]any
	for _, c := range channels {
		result, detail := "sent", ""
		who, err := a.testOn(ctx, e, c, person)
		switch {
		case errors.Is(err, errNobodyNamed):
			result, detail = "not sent", err.Error()
		case err != nil:
			result, detail, failed = "failed", err.Error(), true
		default:
			detail = "to " + who
		}
		rows = append(rows, []any{c.Name, result, detail})
	}
	err = a.write(&format.Result{
		View:    "notify test",
		Columns: []format.Column{{Name: "channel", Kind: format.Text}, {Name: "result", Kind: format.Text}, {Name: "detail", Kind: format.Text}},
		Rows:    format.RowsOf(rows),
	})
	if err == nil && failed {
		return &exitError{code: exitIncomplete}
	}
	return err
}

// named returns the channels of these names, or all.
func named(channels []notify.Channel, names []string) (list []notify.Channel, err error) {
	if len(names) == 0 {
		return channels, nil
	}
	var have []string
	for _, c := range channels {
		have = append(have, c.Name)
	}
	for _, name := range names {
		found := false
		for _, c := range channels {
			if c.Name == name {
				list, found = append(list, c), true
			}
		}
		if !found {
			return nil, usage("--to %q: want one of %s", name, strings.Join(have, ", "))
		}
	}
	return list, nil
}

var errNobodyNamed = errors.New("the channel is to persons: name one with --person")

// testOn sends a test message on a channel and returns whom it went to.
func (a *app) testOn(ctx context.Context, e *setup.Env, c notify.Channel, person string) (string, error) {
	to := ""
	if c.Direct() {
		if to = person; to == "" {
			return "", errNobodyNamed
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	p, err := carrier.Post(ctx, c, e.Carrier())
	if err != nil {
		return "", err
	}
	l, err := p.Letter(to, []notify.Message{{
		Kind: notify.Test, Person: person, SubjectKind: "person", Subject: person,
		Headline: fmt.Sprintf("This is a test of the channel %s by athenatrail. Nothing has happened.", c.Name),
	}}, e.Timezone)
	if err != nil {
		return "", err
	}
	sender, err := p.Open(ctx)
	if err != nil {
		return "", err
	}
	return sender.Send(ctx, l)
}

// channels checks whether each channel could be sent on, without sending.
func (d *doctor) channels(ctx context.Context) {
	for _, c := range d.Notify {
		ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
		what, err := carrier.Check(ctx, c, d.Carrier())
		cancel()
		if err != nil {
			// What is AWS's is explained already; the rest is not AWS's.
			x := check{"notify", c.Name, checkFailed, err.Error(), ""}
			var h interface{ Hint() string }
			if errors.As(err, &h) {
				x.fix = h.Hint()
			}
			d.checks = append(d.checks, x)
		} else {
			d.ok("notify", c.Name, "%s", what)
		}
	}
}
