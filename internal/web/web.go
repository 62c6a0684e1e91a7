// Package web is the dashboard: the views of reports as pages, as JSON and CSV,
// and as one file that needs no server.
//
//	lake on disk -> snapshot -> views by role -> panels -> page | /api/v1 | file
//
// Pages are data ([page], [panel]): a panel is a view with parameters and how to
// show it, and one template shows any. Every page holds all of its numbers
// without script. Where the build holds Apache ECharts (scripts/charts.sh), the
// page's script draws charts from the tables that stand there, in the words and
// with the links of their cells.
//
// What somebody may see is a role's scope, which stands in the SQL that every
// view is made from (see report.OpenScoped). All text comes out of a trail or an
// API and is untrusted: html/template escapes it, and the content security
// policy allows no script and no style but the program's own files.
package web

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"time"

	"github.com/athenatrail/athenatrail/internal/anomaly"
	"github.com/athenatrail/athenatrail/internal/format"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/report"
)

// Options are what a dashboard is made of.
type Options struct {
	Lake Lake
	Auth Auth

	// Base is what every view is asked with, beside what the reader asks.
	Base report.Params

	// Limits answers how everybody stands; nil where no limits are configured.
	Limits func(context.Context, *lake.Lake) (*format.Result, error)

	// Anomalies are what is looked for; the zero value is [anomaly.Default].
	Anomalies anomaly.Settings

	// LimitActions answers what was done because of limits, and LimitNotes
	// says what is paused and blocked now; nil where Limits is.
	LimitActions func(context.Context, *lake.Lake) (*format.Result, error)
	LimitNotes   func(context.Context, *lake.Lake) ([]string, error)

	PriceBasis string // what costs are computed by, in words
	LakeFlag   string // what --lake is in the command lines that pages show; empty leaves it out
	Version    string

	Log *slog.Logger // nil is silent

	// QueryTimeout bounds one panel; zero is 30 seconds, and five minutes with an engine. Queries is how many
	// run at a time; zero is one per core and at least two.
	QueryTimeout time.Duration
	Queries      int

	// Look is how often the lake is looked at for changes; zero is every five
	// seconds.
	Look time.Duration

	// Files are templates and what pages load, read anew for every page; nil are
	// the program's own.
	Files fs.FS

	now func() time.Time
}

// A Server is a dashboard.
type Server struct {
	o        Options
	lake     *lakes
	assets   *assets
	library  bool // there is something to draw charts with
	metrics  *metrics
	clients  *clients
	sessions *sessions
	signIn   *signIn // nil without OpenID Connect
	recent   recent
	slots    chan struct{}
	handler  http.Handler
}

// New returns a server. The lake need not be there yet: pages say so.
func New(o Options) (*Server, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.QueryTimeout == 0 {
		o.QueryTimeout = 30 * time.Second
		if o.Lake.Engine != nil { // statements wait for their turn there
			o.QueryTimeout = 5 * time.Minute
		}
	}
	if o.Queries == 0 {
		o.Queries = max(2, runtime.NumCPU())
	}
	if o.Look == 0 {
		o.Look = 5 * time.Second
	}
	if o.now == nil {
		o.now = time.Now
	}
	if o.Lake.Zone == nil {
		o.Lake.Zone = time.UTC
	}
	if o.Anomalies.Zone == nil {
		o.Anomalies = anomaly.Default()
		o.Anomalies.Zone = o.Lake.Zone
	}
	if err := o.Auth.check(); err != nil {
		return nil, err
	}
	s := &Server{o: o, lake: newLakes(o.Lake, o.Log), metrics: newMetrics(), clients: newClients(), sessions: newSessions(o.now), slots: make(chan struct{}, o.Queries)}
	if o.Auth.OIDC.Issuer != "" {
		s.signIn = newSignIn(o.Auth.OIDC, o.now)
	}
	var err error
	if s.assets, err = newAssets(o.Files); err != nil {
		return nil, err
	}
	s.library = s.assets.has(libraryFile)
	s.lake.warm = s.again
	s.handler = s.routes()
	return s, nil
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Close lets go of the lake. No request may be under way.
func (s *Server) Close() { s.lake.close() }

// warm answers what most readers see first before they ask: the overview of the
// default window.
func (s *Server) warm(ctx context.Context) {
	if s.o.Lake.Engine != nil { // nobody asked for what it would cost
		return
	}
	snap := s.lake.acquire(ctx)
	defer s.lake.release(snap)
	if q, err := s.ask(ctx, everybody, snap, url.Values{}); err == nil && snap.err == nil {
		s.show(ctx, q, &pages[0])
	}
}

// Timeouts of connections: a client that sends its request or takes its answer
// slowly is dropped, and holds up no one meanwhile, since answers are made
// before they are sent.
const (
	headerTimeout   = 5 * time.Second
	readTimeout     = 15 * time.Second
	writeTimeout    = 90 * time.Second
	idleTimeout     = 60 * time.Second
	shutdownTimeout = 10 * time.Second
	maxHeader       = 32 << 10
)

// Run serves on a listener until ctx is done, then lets running requests end.
func (s *Server) Run(ctx context.Context, l net.Listener, cert *tls.Certificate) error {
	server := &http.Server{
		Handler: s, ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeader, ErrorLog: slog.NewLogLogger(s.o.Log.Handler(), slog.LevelDebug),
	}
	l = limitConnections(l)
	if cert != nil {
		l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{*cert}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}})
	}
	watching, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.lake.watch(watching, s.o.Look, s.o.Log, func() { s.warm(watching) })
	}()
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	var err error
	select {
	case err = <-failed:
	case <-ctx.Done():
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
		defer cancel()
		if err = server.Shutdown(ending); err != nil {
			err = errors.Join(fmt.Errorf("end running requests: %w", err), server.Close())
		}
	}
	stop()
	<-done
	if errors.Is(err, http.ErrServerClosed) {
		err = nil
	}
	return err
}
