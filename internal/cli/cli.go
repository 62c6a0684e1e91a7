// Package cli is athenatrail's command line: one file a command, formats, exit
// codes. It is the only package that prints, and the only one that reaches
// every other.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/athenatrail/athenatrail/internal/config"
	"github.com/athenatrail/athenatrail/internal/format"
)

// Exit codes.
const (
	exitDone       = 0
	exitNothing    = 1 // nothing could be done
	exitUsage      = 2
	exitIncomplete = 3 // done, but something asked for could not be read, asked or decoded
	exitExceeded   = 4 // a limit is exceeded
	exitUnverified = 5 // verification failed
)

// Main runs the command line args, without the program's name, and returns
// the exit code. It is all of the program, so that tests can run it too.
func Main(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	a := &app{stdin: stdin, stdout: stdout, stderr: stderr}
	root := a.root()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	var done *exitError
	if errors.As(err, &done) {
		if done.err != nil {
			a.say("error", done.err)
		}
		return done.code
	}
	if errors.Is(err, syscall.EPIPE) {
		return exitDone // the reader, such as head, has seen enough
	}
	a.say("error", err)
	if ctx.Err() != nil {
		a.note("interrupted: what was done is kept; run the command again to go on")
		return exitNothing
	}
	if isUsage(err) {
		return exitUsage
	}
	return exitNothing
}

// An exitError ends the program with a code of its own.
type exitError struct {
	code int
	err  error // nil when everything is said
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// usage makes an error that is the caller's: exit code 2.
func usage(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...)}
}

// A hinted error says what to do about it.
type hinted struct {
	error
	hint string
}

func (e *hinted) Hint() string  { return e.hint }
func (e *hinted) Unwrap() error { return e.error }

func hint(err error, format string, args ...any) error {
	return &hinted{err, fmt.Sprintf(format, args...)}
}

// say prints an error and its hint: the one place that does.
func (a *app) say(level string, err error) {
	for _, line := range strings.Split(strings.TrimRight(err.Error(), "\n"), "\n") {
		fmt.Fprintf(a.stderr, "athenatrail: %s: %s\n", level, format.Safe(line))
	}
	var h interface{ Hint() string }
	if errors.As(err, &h) && h.Hint() != "" {
		fmt.Fprintf(a.stderr, "athenatrail: hint: %s\n", format.Safe(h.Hint()))
	}
}

// note prints a line of talk, which --quiet silences.
func (a *app) note(text string, args ...any) {
	if !a.quiet {
		fmt.Fprintf(a.stderr, "athenatrail: %s\n", format.Safe(fmt.Sprintf(text, args...)))
	}
}

// An app is one run of the program.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer

	configFile string
	output     string
	quiet      bool
	noColor    bool
	wide       bool
	engine     string         // of the flag; empty: the configuration's
	flags      *pflag.FlagSet // of the command that runs
}

// settingFlags maps a flag to the configuration key that it sets.
var settingFlags = map[string]string{
	"lake":        "lake",
	"source":      "sources",
	"timezone":    "timezone",
	"jobs":        "jobs",
	"profile":     "profile",
	"region":      "regions",
	"assume-role": "assume_role",
	"lookback":    "lookback",
	"no-details":  "details",
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "athenatrail",
		Short: "Who ran what in Amazon Athena, what it scanned, and what it cost",
		Long: `athenatrail reads the log files of an AWS CloudTrail trail, asks Athena for what
they do not hold, and answers who ran what, over which data, what it scanned
and what it cost. It keeps what it learnt in a lake: a folder of Parquet.`,
		Example: `  athenatrail demo
  athenatrail collect --source s3://my-trail-bucket
  athenatrail report users --from 30d`,
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			a.flags = cmd.Flags()
			if a.output == outputHTML && cmd.Name() == "report" {
				return nil
			}
			if cmd.Name() == "digest" {
				return a.digestOutput(cmd)
			}
			_, err := format.Parse(a.output)
			return asUsage(err)
		},
	}
	p := root.PersistentFlags()
	p.String("lake", "", "the lake: a folder, or s3://bucket/prefix (default ./athenatrail-lake)")
	p.StringVar(&a.configFile, "config", "", "configuration file, also s3://bucket/key or ssm:/name (default ./athenatrail.yaml if it exists)")
	p.StringVarP(&a.output, "output", "o", string(format.Table), "table, csv, json, jsonl or markdown; of report also html; of digest text or html")
	p.String("timezone", "", "where days begin and in which times are shown, such as Europe/Paris (default UTC)")
	p.BoolVarP(&a.quiet, "quiet", "q", false, "print no progress and no notes")
	p.BoolVar(&a.noColor, "no-color", false, "print no colours; NO_COLOR does the same")
	p.String("profile", "", "profile of the AWS shared configuration")
	p.StringArray("region", nil, "AWS region, repeatable, or all")
	p.String("assume-role", "", "role to take in other accounts: 'arn:aws:iam::{account}:role/NAME'")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &exitError{exitUsage, err} })
	root.AddCommand(
		a.demoCommand(), a.collectCommand(), a.reportCommand(), a.queryCommand(), a.whoCommand(), a.exportCommand(),
		a.limitsCommand(), a.estimateCommand(), a.notifyCommand(), a.digestCommand(), a.serveCommand(), a.lakeCommand(), a.verifyCommand(), a.ddlCommand(), a.configCommand(), a.doctorCommand(), a.versionCommand(),
	)
	for _, c := range root.Commands() {
		wrapArgs(c)
	}
	return root
}

// wrapArgs makes wrong arguments a usage error of every command.
func wrapArgs(c *cobra.Command) {
	if check := c.Args; check != nil {
		c.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				if cmd.ArgsLenAtDash() < 0 && len(args) == 0 {
					_, want, _ := strings.Cut(cmd.Use, " ")
					err = fmt.Errorf("%s: no %s", cmd.Name(), want)
				} else if len(args) > 0 && strings.HasPrefix(err.Error(), "accepts") {
					err = fmt.Errorf("%s: %d arguments, want %s", cmd.Name(), len(args), strings.TrimPrefix(cmd.Use, cmd.Name()+" "))
				}
				return &exitError{exitUsage, hint(err, "see %s --help", cmd.CommandPath())}
			}
			return nil
		}
	}
	for _, sub := range c.Commands() {
		wrapArgs(sub)
	}
}

// config loads the configuration, with the flags that were set.
func (a *app) config(ctx context.Context) (*config.Config, error) { return a.loadConfig(ctx, false) }

func (a *app) loadConfig(ctx context.Context, onlyFlags bool) (*config.Config, error) {
	var flags []config.Flag
	a.flags.Visit(func(f *pflag.Flag) {
		key, ok := settingFlags[f.Name]
		if !ok {
			return
		}
		values := []string{f.Value.String()}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			values = list.GetSlice()
		}
		if f.Name == "no-details" {
			if values[0] != "true" {
				return
			}
			values = []string{config.DetailsNone}
		}
		flags = append(flags, config.Flag{Key: key, Name: "--" + f.Name, Values: values})
	})
	c, err := config.Load(ctx, config.Options{File: a.configFile, Environ: os.Environ(), Flags: flags, UserAgent: userAgent(), OnlyFlags: onlyFlags})
	if err != nil {
		return nil, asUsage(err)
	}
	for _, w := range c.Warnings {
		a.say("warning", errors.New(w))
	}
	return c, nil
}

// write prints a result in the format asked for.
func (a *app) write(r *format.Result) error {
	f, err := format.Parse(a.output)
	if err != nil {
		return asUsage(err)
	}
	o := format.Options{Wide: a.wide}
	if file, ok := a.stdout.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		if width, _, err := term.GetSize(int(file.Fd())); err == nil {
			o.Width = width
		}
		o.Color = !a.noColor && os.Getenv("NO_COLOR") == ""
	}
	return format.Write(a.stdout, r, f, o)
}

// Version is the program's version, set by the release build.
var Version = ""

// version returns the program's version: that of the release build, else of
// the module, else the commit.
func version() string {
	if Version != "" {
		return Version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return "devel-" + s.Value[:12]
		}
	}
	return "devel"
}

// userAgent is what AWS is told, and by what our own calls are known again in
// the trail.
func userAgent() string { return "athenatrail/" + version() }
