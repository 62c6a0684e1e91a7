// Package lookuptest answers like CloudTrail's LookupEvents, over real HTTP on
// loopback. The AWS SDK is pointed at [Server.URL] and meets the rules that it
// would meet at AWS: the events of the caller's account and of the region that
// was asked, and no others; one attribute; at most 50 events a page, the
// newest first; both ends of the time included; tokens that hold for the input
// that they were given out for; pages that are short or empty and go on all
// the same; two calls a second for all callers of an account and region
// together, and a ThrottlingException with status 400 above that.
//
// The account is that of the access key in the request's signature, which is
// read and not verified. It does not import testing.
package lookuptest

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// A Rate is a token bucket: calls a second, and how many it holds.
type Rate struct {
	PerSecond float64
	Burst     int
}

// DefaultRate is what CloudTrail documents. That the bucket holds two is not
// documented.
var DefaultRate = Rate{2, 2}

// History is how long CloudTrail looks events up.
const History = 90 * 24 * time.Hour

// A Caller is who a request's credentials belong to.
type Caller struct{ Account, ARN string }

// A Config says how the server behaves. Only Caller is needed.
type Config struct {
	// Addr is where to listen; empty means a free port of 127.0.0.1.
	Addr string

	// Now is the clock of the data: which events have appeared, and which are
	// older than 90 days. Nil means time.Now.
	Now func() time.Time

	// Caller tells whose an access key is; false refuses it.
	Caller func(accessKeyID string) (Caller, bool)

	Rate Rate // zero: DefaultRate

	// Latency is how long every answer takes.
	Latency time.Duration

	// PageSize says how many events the next page may hold at most, by how
	// many pages were answered before. Nil, and more than what was asked for,
	// mean as many as were asked for.
	PageSize func(number int) int

	// OldestFirst turns the order around, which CloudTrail does not do.
	OldestFirst bool

	// Deny says which calls are refused with AccessDeniedException.
	Deny func(Call) bool

	// Fault says what goes wrong with a call, in place of an answer.
	Fault func(Call) Fault
}

// A Call is one request, as [Config]'s functions see it.
type Call struct {
	Account string
	Region  string
	ARN     string // of the caller
	Event   string // the EventName asked for; empty where it is another attribute
	Token   bool   // whether it goes on with a token
	Number  int    // how many calls came before, over all accounts
}

// A Fault is what happens to a request. The zero value does nothing.
type Fault struct {
	Delay   time.Duration
	Cut     bool // close the connection without an answer
	Status  int  // answer with this status, Code and Message
	Code    string
	Message string
}

// Counts is what was asked since the start.
type Counts struct {
	Calls     int // all, refused ones included
	Throttled int
	Faults    int
	Pages     int // answered
	Events    int // in the pages

	// Repeated counts the pages with events of which each one had been in a
	// page before, asked for by the same caller.
	Repeated int

	AtOnce int // calls under way side by side, at most
}

// A Server listens until Close. Its methods may be called at any time by
// several goroutines.
type Server struct {
	URL string // http://127.0.0.1:PORT, without a slash at the end

	config Config
	secret []byte // that tokens are sealed with
	http   *http.Server
	closed chan struct{}
	done   chan struct{}
	once   sync.Once

	mu       sync.Mutex
	events   map[place]*shelf
	buckets  map[place]*rate.Limiter
	counts   Counts
	underWay int
	given    map[string]bool // callers and events that were in a page
}

type place struct{ account, region string }

// Start listens and serves until [Server.Close].
func Start(config Config, events ...Event) (*Server, error) {
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Rate == (Rate{}) {
		config.Rate = DefaultRate
	}
	if config.Addr == "" {
		config.Addr = "127.0.0.1:0"
	}
	if config.Caller == nil {
		return nil, fmt.Errorf("start CloudTrail on loopback: nobody may call: no Caller")
	}
	s := &Server{
		config: config, secret: make([]byte, 16),
		closed: make(chan struct{}), done: make(chan struct{}),
		events: map[place]*shelf{}, buckets: map[place]*rate.Limiter{}, given: map[string]bool{},
	}
	rand.Read(s.secret)
	s.Add(events...)
	listener, err := net.Listen("tcp", config.Addr)
	if err != nil {
		return nil, fmt.Errorf("start CloudTrail on loopback: %w", err)
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
	s.once.Do(func() { close(s.done) })
	err := s.http.Close()
	<-s.closed
	return err
}

// Counts returns what was asked so far.
func (s *Server) Counts() Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts
}

const maxBody = 1 << 20

// targets are the two names that SDKs have for the operation: botocore's, and
// that of the SDK for Go.
var targets = []string{"com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.LookupEvents", "CloudTrail_20131101.LookupEvents"}

// credential is the scope in a Signature Version 4: key, day, region, service.
var credential = regexp.MustCompile(`^AWS4-HMAC-SHA256 .*\bCredential=([^/,\s]+)/[0-9]{8}/([a-z0-9-]+)/([a-z0-9-]+)/aws4_request\b`)

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var id [16]byte
	rand.Read(id[:])
	w.Header().Set("x-amzn-RequestId", hex.EncodeToString(id[:]))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		refuse(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLargeException", err.Error())
		return
	}
	if r.Method != http.MethodPost || r.URL.Path != "/" || !slices.Contains(targets, r.Header.Get("X-Amz-Target")) ||
		r.Header.Get("Content-Type") != "application/x-amz-json-1.1" {
		refuse(w, http.StatusBadRequest, "UnknownOperationException", "")
		return
	}
	scope := credential.FindStringSubmatch(r.Header.Get("Authorization"))
	if scope == nil {
		refuse(w, http.StatusBadRequest, "MissingAuthenticationTokenException", "Missing Authentication Token")
		return
	}
	caller, known := s.config.Caller(scope[1])
	switch {
	case !known:
		refuse(w, http.StatusBadRequest, "UnrecognizedClientException", "The security token included in the request is invalid.")
		return
	case scope[3] != "cloudtrail":
		refuse(w, http.StatusBadRequest, "InvalidSignatureException", "Credential should be scoped to correct service: 'cloudtrail'.")
		return
	}
	var in input
	if err := json.Unmarshal(body, &in); err != nil {
		refuse(w, http.StatusBadRequest, "SerializationException", err.Error())
		return
	}
	c := Call{Account: caller.Account, Region: scope[2], ARN: caller.ARN, Event: in.eventName(), Token: in.NextToken != nil}
	s.answer(w, r, c, &in)
}

func (s *Server) answer(w http.ResponseWriter, r *http.Request, c Call, in *input) {
	defer func() {
		s.mu.Lock()
		s.underWay--
		s.mu.Unlock()
	}()
	s.mu.Lock()
	c.Number = s.counts.Calls
	s.counts.Calls++
	s.underWay++
	s.counts.AtOnce = max(s.counts.AtOnce, s.underWay)
	at := place{c.Account, c.Region}
	bucket := s.buckets[at]
	if bucket == nil {
		bucket = rate.NewLimiter(rate.Limit(s.config.Rate.PerSecond), s.config.Rate.Burst)
		s.buckets[at] = bucket
	}
	throttled := !bucket.Allow()
	if throttled {
		s.counts.Throttled++
	}
	s.mu.Unlock()
	if throttled {
		refuse(w, http.StatusBadRequest, "ThrottlingException", "Rate exceeded")
		return
	}
	var fault Fault
	if s.config.Fault != nil {
		fault = s.config.Fault(c)
	}
	s.wait(r, s.config.Latency+fault.Delay)
	if fault.Cut || fault.Status != 0 {
		s.mu.Lock()
		s.counts.Faults++
		s.mu.Unlock()
		if fault.Cut {
			panic(http.ErrAbortHandler) // net/http closes the connection and logs nothing
		}
		refuse(w, fault.Status, fault.Code, fault.Message)
		return
	}
	if s.config.Deny != nil && s.config.Deny(c) {
		refuse(w, http.StatusBadRequest, "AccessDeniedException", fmt.Sprintf(
			"User: %s is not authorized to perform: cloudtrail:LookupEvents because no identity-based policy allows the cloudtrail:LookupEvents action", c.ARN))
		return
	}
	out, refused := s.lookup(c, in)
	if refused != nil {
		refuse(w, http.StatusBadRequest, refused.code, refused.message)
		return
	}
	write(w, http.StatusOK, out)
}

func (s *Server) wait(r *http.Request, d time.Duration) {
	if d <= 0 {
		return
	}
	select {
	case <-time.After(d):
	case <-r.Context().Done():
	case <-s.done:
	}
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	if code == "" {
		code = "InternalServerException"
	}
	w.Header().Set("x-amzn-ErrorType", code)
	write(w, status, map[string]string{"__type": code, "message": message})
}

func write(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.WriteHeader(status)
	w.Write(b)
}
