package cli

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/config"
	"github.com/athenatrail/athenatrail/internal/engine"
	"github.com/athenatrail/athenatrail/internal/format"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/meter"
	"github.com/athenatrail/athenatrail/internal/report"
	"github.com/athenatrail/athenatrail/internal/setup"
	"github.com/athenatrail/athenatrail/internal/web"
)

type serveOptions struct {
	listen  string
	tlsCert string
	tlsKey  string
	token   string
	verbose bool
	dev     string
}

func (a *app) serveCommand() *cobra.Command {
	var o serveOptions
	c := &cobra.Command{
		Use:   "serve",
		Short: "Show the dashboard to a browser",
		Long: `Show the dashboard to a browser: every report as a page, each number with a way
to the executions behind it, and the same as JSON and CSV below /api/v1. It
follows the lake as collect changes it, and ends at an interrupt.

With --engine athena or trino, pages are answered there, by tables that
athenatrail ddl made, and nothing is asked twice within the time of
engine.result_reuse; docs/engines.md says what that costs and leaves out.

It listens on this machine alone. For another address it wants to know who may
see what: a token, users with tokens, or a proxy or a provider of OpenID Connect
that signs users in; see docs/dashboard.md.`,
		Example: `  athenatrail serve
  athenatrail serve --listen 0.0.0.0:8443 --tls-cert cert.pem --tls-key key.pem --token-file token`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.serve(cmd.Context(), o) },
	}
	f := c.Flags()
	f.StringVar(&o.listen, "listen", "", "address and port (default "+config.DefaultListen+")")
	f.StringVar(&o.tlsCert, "tls-cert", "", "PEM file with the certificate")
	f.StringVar(&o.tlsKey, "tls-key", "", "PEM file with its key")
	f.StringVar(&o.token, "token-file", "", "file with a token by which its holder sees everything")
	f.BoolVar(&o.verbose, "verbose", false, "log every request, without what was asked")
	a.engineFlag(f)
	f.StringVar(&o.dev, "dev", "", "folder of the dashboard's sources, internal/web: templates and what pages load are read from there for every page")
	return c
}

func (a *app) serve(ctx context.Context, o serveOptions) error {
	e, err := a.env(ctx)
	if err != nil {
		return err
	}
	for _, flag := range []struct {
		value string
		field *string
	}{{o.listen, &e.Serve.Listen}, {o.tlsCert, &e.Serve.TLSCert}, {o.tlsKey, &e.Serve.TLSKey}, {o.token, &e.Serve.TokenFile}} {
		if flag.value != "" {
			*flag.field = flag.value
		}
	}
	return a.serveEnv(ctx, e, o)
}

// serveEnv serves until it is interrupted.
func (a *app) serveEnv(ctx context.Context, e *setup.Env, o serveOptions) error {
	server, cert, err := a.dashboard(ctx, e, o)
	if err != nil {
		return err
	}
	defer server.Close()
	l, err := net.Listen("tcp", e.Serve.Listen)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", e.Serve.Listen, err)
	}
	scheme := "http"
	if cert != nil {
		scheme = "https"
	}
	a.note("the dashboard is at %s://%s/ until you interrupt it", scheme, l.Addr())
	return server.Run(ctx, l, cert)
}

// dashboard makes the server that the configuration describes.
func (a *app) dashboard(ctx context.Context, e *setup.Env, with serveOptions) (*web.Server, *tls.Certificate, error) {
	c := &e.Serve
	auth, err := serveAuth(c)
	if err != nil {
		return nil, nil, err
	}
	if !auth.Required() && !onLoopback(c.Listen) {
		return nil, nil, &exitError{exitUsage, hint(fmt.Errorf("listen on %s: everybody who reaches this address would see who ran what: no authentication is set", c.Listen),
			"name a token with --token-file, or users, a proxy or oidc under serve: in athenatrail.yaml; or listen on %s", config.DefaultListen)}
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		return nil, nil, usage("--tls-cert and --tls-key belong together")
	}
	var cert *tls.Certificate
	if c.TLSCert != "" {
		pair, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey)
		if err != nil {
			return nil, nil, fmt.Errorf("read the certificate %s and its key: %w", c.TLSCert, err)
		}
		cert = &pair
	}
	if auth.Required() && cert == nil && !onLoopback(c.Listen) {
		a.say("warning", hint(fmt.Errorf("listen on %s without TLS: tokens and reports can be read on the way", c.Listen), "set --tls-cert and --tls-key, or let a proxy on this machine do TLS"))
	}
	o, err := a.dashboardOptions(ctx, e)
	if err != nil {
		return nil, nil, err
	}
	name, err := a.readsOn(e)
	if err == nil && name != config.EngineDuckDB {
		err = a.serveOn(ctx, e, name, &o)
	}
	if err != nil {
		return nil, nil, err
	}
	level := slog.LevelWarn
	if with.verbose {
		level = slog.LevelDebug
	}
	if with.dev != "" {
		o.Files = os.DirFS(with.dev)
	}
	o.Auth, o.Log = auth, slog.New(slog.NewTextHandler(a.stderr, &slog.HandlerOptions{Level: level}))
	server, err := web.New(o)
	return server, cert, err
}

// dashboardOptions are what pages are made of, whoever sees them.
func (a *app) dashboardOptions(ctx context.Context, e *setup.Env) (web.Options, error) {
	o := web.Options{Version: version(), Lake: web.Lake{Dir: e.Lake, Zone: e.Timezone}, PriceBasis: priceBasis(e.Config)}
	if e.Lake != "./athenatrail-lake" {
		o.LakeFlag = e.Lake
	}
	settings, err := e.Settings()
	if err != nil {
		return o, err
	}
	o.Lake.Settings = settings
	for _, p := range e.PartitionColumns {
		o.Base.PartitionColumns = append(o.Base.PartitionColumns, report.PartitionColumn(p))
	}
	if o.Base.Prices, err = reportPrices(e); err != nil {
		return o, err
	}
	limits, err := e.CompileLimits()
	if err != nil {
		return o, asUsage(err)
	}
	if len(limits.All()) > 0 {
		o.Limits, o.LimitActions, o.LimitNotes = serveLimits(e, meter.Files), serveLimitActions(e), serveLimitNotes(e)
	}
	o.Anomalies = e.AnomalySettings()
	o.Lake.Held = heldFile(e.Lake, e.Timezone)
	if !setup.IsS3(e.Lake) {
		return o, nil
	}
	if o.Lake.Dir, err = cacheDir(e.Lake); err != nil {
		return o, err
	}
	o.Lake.Origin = e.OldLake
	o.Lake.Refresh = func(ctx context.Context) error {
		l, err := e.OldLake(ctx)
		if err != nil {
			return err
		}
		return lake.Mirror(ctx, l, o.Lake.Dir)
	}
	return o, nil
}

// keepAnswers is how long a distributed engine's answers hold where result_reuse
// does not say it.
const keepAnswers = 15 * time.Minute

// serveOn lets a distributed engine answer.
func (a *app) serveOn(ctx context.Context, e *setup.Env, name string, o *web.Options) error {
	var statements engine.Meter
	db, region, err := openEngine(ctx, e, name, &statements)
	if err != nil {
		return hint(err, "docs/engines.md says what --engine %s needs", name)
	}
	answers := report.Over(db, e.Timezone)
	keep := e.Engine.ResultReuse
	if keep == 0 {
		keep = keepAnswers
	}
	o.Lake.Engine = &web.Engine{
		Name: map[string]string{config.EngineAthena: "Athena", config.EngineTrino: "Trino"}[name], DB: answers, Keep: keep,
		Cost: func() string {
			list := statements.Statements()
			if len(list) == 0 {
				return ""
			}
			text, err := costText(e, region, list)
			if err != nil {
				return err.Error()
			}
			return text
		},
	}
	if o.Limits != nil {
		o.Limits = serveLimits(e, func(*lake.Lake) meter.Rows { return engineRows{answers} })
	}
	return nil
}

// heldFile returns where a lake's roll-ups are held between runs, in the user's
// cache folder; "" where there is none.
func heldFile(location string, zone *time.Location) string {
	if !setup.IsS3(location) {
		abs, err := filepath.Abs(location)
		if err != nil {
			return ""
		}
		location = abs
	}
	dir, err := cacheDir("held roll-ups of " + location + " in " + zone.String())
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "usage.duckdb")
}

// priceBasis says in words what costs are computed by.
func priceBasis(c *config.Config) string {
	text := "AWS's list prices"
	if len(c.Prices) > 0 {
		text = "your own prices, else AWS's list"
	}
	if c.PriceUnits == config.UnitsDecimal {
		return text + ", a terabyte of 10¹² bytes"
	}
	return text + ", a terabyte of 2⁴⁰ bytes"
}

// serveAuth reads the tokens of who may see the dashboard.
func serveAuth(c *config.Serve) (web.Auth, error) {
	auth := web.Auth{Proxy: web.Proxy{Header: c.TrustedProxy.Header, Groups: c.TrustedProxy.GroupsHeader, From: c.TrustedProxy.From}, SQL: c.SQLRoles}
	if o := c.OIDC; o.Issuer != "" {
		auth.OIDC = web.OIDC{Issuer: o.Issuer, ClientID: o.ClientID, RedirectURL: o.RedirectURL, Scopes: o.Scopes, UserClaim: o.UserClaim, GroupsClaim: o.GroupsClaim}
		if o.ClientSecretFile != "" {
			var err error
			if auth.OIDC.ClientSecret, err = readToken(o.ClientSecretFile); err != nil {
				return auth, fmt.Errorf("read the client secret of %s: %w", o.Issuer, err)
			}
		}
	}
	users := c.Users
	if c.TokenFile != "" {
		users = append([]config.ServeUser{{Name: "token", TokenFile: c.TokenFile, Role: web.Admin}}, users...)
	}
	seen := map[string]string{}
	for _, u := range users {
		token, err := readToken(u.TokenFile)
		if err != nil {
			return auth, fmt.Errorf("read the token of %s: %w", u.Name, err)
		}
		if other, ok := seen[token]; ok {
			return auth, usage("the tokens of %s and %s are the same: nobody could tell them apart", other, u.Name)
		}
		seen[token] = u.Name
		auth.Users = append(auth.Users, web.User{Name: u.Name, Role: u.Role, Teams: u.Teams, Person: u.Person, Token: token})
	}
	for _, r := range c.Roles {
		auth.Rules = append(auth.Rules, web.Rule{User: r.User, Group: r.Group, Role: r.Role, Teams: r.Teams})
	}
	return auth, nil
}

// maxToken is the most that is read of a file with a token, in bytes.
const maxToken = 4096

func readToken(file string) (string, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	if data = bytes.TrimSpace(data); len(data) > maxToken || bytes.ContainsAny(data, " \t\r\n") || len(data) == 0 {
		return "", fmt.Errorf("%s: want one token of at most %d characters on one line", file, maxToken)
	}
	return string(data), nil
}

// onLoopback reports whether an address is reached from this machine alone.
func onLoopback(listen string) bool {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return false
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}

// serveLimits answers how everybody stands, as the command limits status does.
func serveLimits(e *setup.Env, rowsOf func(*lake.Lake) meter.Rows) func(context.Context, *lake.Lake) (*format.Result, error) {
	return func(ctx context.Context, l *lake.Lake) (*format.Result, error) {
		limits, err := e.CompileLimits()
		if err != nil {
			return nil, err
		}
		m, err := meter.Moment(ctx, l, time.Now(), time.Time{})
		if err != nil {
			return nil, err
		}
		stand, err := meter.ReportOf(ctx, rowsOf(l), limits, m, true)
		if err != nil {
			return nil, err
		}
		var rows [][]any
		for _, x := range limits.All() {
			list := stand.Of(x)
			for i := range list {
				rows = append(rows, limitRow(stand, &list[i]))
			}
		}
		return &format.Result{View: "limits", CompleteTo: m.CompleteTo, TimeZone: e.Timezone, Columns: shownColumns(limits, true), Rows: format.RowsOf(rows)}, nil
	}
}

// serveLimitActions answers what was done because of limits, as limits status
// --history does.
func serveLimitActions(e *setup.Env) func(context.Context, *lake.Lake) (*format.Result, error) {
	return func(ctx context.Context, l *lake.Lake) (*format.Result, error) {
		list, err := limitHistory(ctx, l, time.Now().AddDate(0, 0, -30), func(*athenatrail.LimitAction) bool { return true })
		if err != nil {
			return nil, err
		}
		return actionsResult("limit-actions", e.Timezone, list), nil
	}
}

// serveLimitNotes says what is paused and what stands.
func serveLimitNotes(e *setup.Env) func(context.Context, *lake.Lake) ([]string, error) {
	return func(ctx context.Context, l *lake.Lake) ([]string, error) {
		paused, standing, err := standingNotes(ctx, l, time.Now(), e.Timezone)
		return append(paused, standing...), err
	}
}
