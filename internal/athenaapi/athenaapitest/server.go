// Package athenaapitest answers like the Athena API, and like the Security
// Token Service in front of it, over real HTTP on loopback. The AWS SDK is
// pointed at [Server.URL] and meets what it would meet at AWS: signatures that
// are verified, the account of the caller's credentials and no other, at most
// 50 ids a call, rates, 45 days of history, AWS's errors under AWS's names.
//
// It is a part of the program, not of its tests alone: the demo collects from
// it. So it does not import testing.
package athenaapitest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// HistoryDays is how long Athena keeps an execution (API reference,
// ListQueryExecutions).
const HistoryDays = 45

// MaxBatch is how many ids one BatchGetQueryExecution may ask for.
const MaxBatch = 50

const (
	maxBody         = 1 << 20
	requestIDHeader = "x-amzn-RequestId"
)

// A Config says what the server knows and how it behaves. Only Lookup is
// needed; calls need a Key as well.
type Config struct {
	// Addr is where to listen; empty means a free port of 127.0.0.1.
	Addr string

	// Now is the clock of the data: what is 45 days old, what still runs. Nil
	// means Wall. It may stand still.
	Now func() time.Time

	// Wall is the clock of signatures, rates and issued credentials, which the
	// SDK's own clock must agree with. Nil means time.Now.
	Wall func() time.Time

	// Lookup gives a query execution of an account and region as it ends.
	Lookup func(account, region, id string) (Execution, bool)

	// List gives the ids of a work group, newest first. Nil means none.
	List func(account, region, workGroup string) []string

	// Run runs a statement that is started here. Its ctx ends when the
	// execution is stopped. Nil means that none can be started.
	Run func(ctx context.Context, s Statement) (Result, error)

	// WorkGroups gives the work groups of an account and region. Nil means
	// that there is primary alone, and that any name is answered.
	WorkGroups func(account, region string) []WorkGroup

	// Spark is what is known of sessions and calculations.
	Spark Spark

	// Tags gives the tags of a work group. Nil means none.
	Tags func(account, region, workGroup string) []Tag

	// TagsPerPage cuts the answers of ListTagsForResource shorter than AWS
	// does, for which one page is enough; 0 means 75.
	TagsPerPage int

	Keys  []Key
	Roles []Role

	// Rates replaces [DefaultRates] for the operations it names.
	Rates map[string]Rate

	// Deny says which calls are refused with AccessDeniedException. A
	// BatchGetQueryExecution is asked about once for each work group among
	// its executions, or with an empty one when it has none.
	Deny func(Call) bool

	// DeniedUnprocessed makes BatchGetQueryExecution put the ids of denied
	// work groups among the unprocessed ones, and not fail as a whole. What
	// AWS does is not documented, so a client has to live with both.
	DeniedUnprocessed bool

	// UnprocessedCode is the ErrorCode of unprocessed ids; empty means
	// INVALID_INPUT. AWS does not document its values.
	UnprocessedCode string

	// Fault says what goes wrong with a request that was signed as it should
	// be, before it is looked at or counted against a rate.
	Fault func(Call) Fault
}

// A Call is one request to an operation, as [Config]'s functions see it.
type Call struct {
	Service      string // athena, sts
	Operation    string
	Account      string
	Region       string
	PrincipalARN string
	WorkGroup    string // where the call names one
	UserAgent    string
	IDs          []string // of the query executions, session, calculation or notebook asked for
	Number       int      // how many calls of this operation came before, over all accounts
}

// A Fault is what happens to a request instead of an answer. Delay comes
// first; the zero value does nothing.
type Fault struct {
	Delay   time.Duration
	Cut     bool   // close the connection without an answer
	Status  int    // answer with this status, Code and Message
	Code    string // empty: InternalServerException
	Message string
}

// A Rate is a token bucket: tokens per second, and how many it holds.
type Rate struct {
	PerSecond float64
	Burst     int
}

// Unlimited is a Rate that never throttles.
var Unlimited = Rate{}

// DefaultRates holds the documented quotas per account and region (Athena
// User Guide, "Service Quotas", 2023); those of work groups, sessions,
// calculations and tags are not in that page, and are the lowest that is.
var DefaultRates = map[string]Rate{
	"BatchGetQueryExecution": {20, 40},
	"GetQueryExecution":      {100, 200},
	"GetQueryResults":        {100, 200},
	"StartQueryExecution":    {20, 80},
	"ListQueryExecutions":    {5, 10},
	"StopQueryExecution":     {20, 80},
	"GetWorkGroup":           {5, 10},
	"UpdateWorkGroup":        {5, 10},
	"ListWorkGroups":         {5, 10},

	"GetSession":                  {5, 10},
	"GetSessionStatus":            {5, 10},
	"GetCalculationExecution":     {5, 10},
	"GetCalculationExecutionCode": {5, 10},
	"TerminateSession":            {5, 10},
	"ListSessions":                {5, 10},
	"ListNotebookSessions":        {5, 10},
	"ListCalculationExecutions":   {5, 10},
	"ListTagsForResource":         {5, 10},
}

// Counts is what an operation was asked since the start.
type Counts struct {
	Requests  int // that were signed as they should be, faults and throttled ones included
	IDs       int // ids in answered requests
	Throttled int
	Faults    int
}

// A Server listens until Close. Its methods may be called at any time by
// several goroutines.
type Server struct {
	URL string // http://127.0.0.1:PORT, without a slash at the end

	config Config
	http   *http.Server
	done   chan struct{}
	closed chan struct{}

	mu      sync.Mutex
	keys    map[string]*Key
	issued  int
	buckets map[bucketKey]*rate.Limiter
	counts  map[string]*Counts
	stopped map[stopKey]time.Time
	changed map[stopKey]workGroupChange // work groups, by their names
	runs    map[string]*run             // by id
}

type (
	bucketKey struct{ account, region, operation string }
	stopKey   struct{ account, region, id string }
)

// Start listens and serves until [Server.Close].
func Start(config Config) (*Server, error) {
	if config.Lookup == nil {
		return nil, errors.New("start the Athena API on loopback: no Lookup")
	}
	if config.Wall == nil {
		config.Wall = time.Now
	}
	if config.Now == nil {
		config.Now = config.Wall
	}
	if config.UnprocessedCode == "" {
		config.UnprocessedCode = "INVALID_INPUT"
	}
	if config.Addr == "" {
		config.Addr = "127.0.0.1:0"
	}
	s := &Server{
		config:  config,
		done:    make(chan struct{}),
		closed:  make(chan struct{}),
		keys:    map[string]*Key{},
		buckets: map[bucketKey]*rate.Limiter{},
		counts:  map[string]*Counts{},
		stopped: map[stopKey]time.Time{},
		changed: map[stopKey]workGroupChange{},
		runs:    map[string]*run{},
	}
	for _, k := range config.Keys {
		s.keys[k.ID] = &k
	}
	listener, err := net.Listen("tcp", config.Addr)
	if err != nil {
		return nil, fmt.Errorf("start the Athena API on loopback: %w", err)
	}
	s.URL = "http://" + listener.Addr().String()
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		defer close(s.closed)
		s.http.Serve(listener) // ends with ErrServerClosed
	}()
	return s, nil
}

// Close stops listening, cuts the connections that are open, and returns when
// no more will be accepted.
func (s *Server) Close() error {
	s.mu.Lock()
	select {
	case <-s.done:
	default:
		close(s.done)
	}
	s.mu.Unlock()
	err := s.http.Close()
	<-s.closed
	return err
}

// Counts returns what an operation was asked so far.
func (s *Server) Counts(operation string) Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.counts[operation]; c != nil {
		return *c
	}
	return Counts{}
}

// Operations returns the names of what was asked so far, in their order.
func (s *Server) Operations() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.counts))
}

func (s *Server) count(operation string, add func(*Counts)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.counts[operation]
	if c == nil {
		c = &Counts{}
		s.counts[operation] = c
	}
	add(c)
}

func (s *Server) key(id string) (*Key, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, ok := s.keys[id]
	return k, ok
}

// ServeHTTP answers one request: Athena's when it names a target, else the
// Security Token Service's.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set(requestIDHeader, requestID())
	if r.Method != http.MethodPost || r.URL.Path != "/" || r.URL.RawQuery != "" {
		writeJSONError(w, &apiError{status: http.StatusNotFound, code: "UnknownOperationException"})
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		writeJSONError(w, &apiError{status: http.StatusRequestEntityTooLarge, code: "RequestEntityTooLargeException", message: err.Error()})
		return
	}
	if target := r.Header.Get("X-Amz-Target"); target != "" {
		s.serveAthena(w, r, target, body)
		return
	}
	s.serveSTS(w, r, body)
}

// admit does what comes before an operation's own work: the fault that a test
// wants, the rate, the permission.
func (s *Server) admit(r *http.Request, c *Call) *apiError {
	s.count(c.Operation, func(n *Counts) { c.Number = n.Requests; n.Requests++ })
	if s.config.Fault != nil {
		f := s.config.Fault(*c)
		if f != (Fault{}) {
			s.count(c.Operation, func(n *Counts) { n.Faults++ })
		}
		if err := s.fail(r, f); err != nil {
			return err
		}
	}
	if !s.take(*c) {
		s.count(c.Operation, func(n *Counts) { n.Throttled++ })
		return errThrottled
	}
	return nil
}

func (s *Server) fail(r *http.Request, f Fault) *apiError {
	if f.Delay > 0 {
		select {
		case <-time.After(f.Delay):
		case <-r.Context().Done():
		case <-s.done:
		}
	}
	if f.Cut {
		panic(http.ErrAbortHandler) // net/http closes the connection and logs nothing
	}
	if f.Status == 0 {
		return nil
	}
	if f.Code == "" {
		f.Code = "InternalServerException"
	}
	return &apiError{status: f.Status, code: f.Code, message: f.Message}
}

// take takes a token from the call's bucket, and reports whether there was one.
func (s *Server) take(c Call) bool {
	limit, ok := s.config.Rates[c.Operation]
	if !ok {
		limit = DefaultRates[c.Operation]
	}
	if limit == Unlimited {
		return true
	}
	k := bucketKey{c.Account, c.Region, c.Operation}
	s.mu.Lock()
	b := s.buckets[k]
	if b == nil {
		b = rate.NewLimiter(rate.Limit(limit.PerSecond), limit.Burst)
		s.buckets[k] = b
	}
	s.mu.Unlock()
	return b.AllowN(s.config.Wall(), 1)
}

func (s *Server) denied(c Call) bool { return s.config.Deny != nil && s.config.Deny(c) }

func requestID() string {
	var b [16]byte
	rand.Read(b[:])
	x := hex.EncodeToString(b[:])
	return strings.Join([]string{x[:8], x[8:12], x[12:16], x[16:20], x[20:]}, "-")
}
