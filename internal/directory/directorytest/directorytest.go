// Package directorytest answers like the Identity Store API and like
// Organizations over HTTP on loopback, for tests: a user is known in its store
// and the store in its region, accounts come in pages, and what AWS refuses is
// refused under AWS's names. Requests must carry a key that is known, for the
// right service; that signatures are right is athenaapitest's to verify.
package directorytest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"

	"golang.org/x/time/rate"
)

// A Config says what the server knows.
type Config struct {
	Stores   []Store
	Accounts []Account         // of the organization; none: there is no organization
	Units    []string          // paths of organizational units beside those that accounts are in
	Managers []string          // accounts that may list them
	Keys     map[string]string // access key id -> account

	// Deny says which calls of an account are refused for want of permission.
	Deny func(operation, account string) bool

	// PerSecond and Burst are the rate of each operation; zero is unlimited.
	PerSecond float64
	Burst     int

	PageSize int // of the lists of Organizations; zero is 20, the most that AWS gives

	// Fault says what goes wrong with a call before it is looked at: nil for
	// nothing.
	Fault func(operation string) error
}

// A Store is an identity store.
type Store struct {
	ID     string // d-...
	Region string
	Users  []User
}

// A User is one of a store. Members beside these are answered as AWS would
// have them of a person: a reader must not keep them.
type User struct {
	ID, UserName, DisplayName string
	Emails                    []Email
}

// An Email is an address of a user.
type Email struct {
	Value, Type string
	Primary     bool
}

// An Account is one of the organization. OU is the path of its unit; empty is
// Root. State is empty for ACTIVE.
type Account struct{ ID, Name, OU, State string }

// Counts is what an operation was asked.
type Counts struct{ Requests, Throttled int }

// A Server listens until Close.
type Server struct {
	URL string

	config Config
	http   *httptest.Server

	mu      sync.Mutex
	buckets map[string]*rate.Limiter
	counts  map[string]Counts
}

// Start listens on a free port of 127.0.0.1.
func Start(config Config) *Server {
	if config.PageSize == 0 {
		config.PageSize = maxPage
	}
	s := &Server{config: config, buckets: map[string]*rate.Limiter{}, counts: map[string]Counts{}}
	s.http = httptest.NewServer(s)
	s.URL = s.http.URL
	return s
}

// Close cuts the connections and stops listening.
func (s *Server) Close() {
	s.http.CloseClientConnections()
	s.http.Close()
}

// Counts returns what an operation was asked so far.
func (s *Server) Counts(operation string) Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts[operation]
}

const (
	jsonType = "application/x-amz-json-1.1"
	maxPage  = 20
)

// A call is a request that carries a known key.
type call struct {
	operation       string
	account, region string
	body            []byte
}

type operation struct {
	service string // as signatures are scoped to it
	answer  func(*Server, call) (any, *refusal)
}

var operations = map[string]operation{
	"AWSIdentityStore.DescribeUser":          {"identitystore", (*Server).describeUser},
	"AWSOrganizationsV20161128.ListAccounts": {"organizations", (*Server).listAccounts},
	"AWSOrganizationsV20161128.ListRoots":    {"organizations", (*Server).listRoots},

	"AWSOrganizationsV20161128.ListAccountsForParent":            {"organizations", (*Server).listAccountsForParent},
	"AWSOrganizationsV20161128.ListOrganizationalUnitsForParent": {"organizations", (*Server).listUnits},
}

// A refusal is an error under the name that AWS gives it.
type refusal struct {
	status  int
	code    string
	message string
	members map[string]string
}

func refuse(code, message string) *refusal {
	return &refusal{http.StatusBadRequest, code, message, nil}
}

var scope = regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=([A-Z0-9]+)/[0-9]{8}/([a-z0-9-]+)/([a-z]+)/aws4_request, SignedHeaders=[a-z0-9;-]+, Signature=[0-9a-f]{64}$`)

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	out, refused := s.serve(r)
	status := http.StatusOK
	if refused != nil {
		body := map[string]string{"__type": refused.code, "Message": refused.message}
		for k, v := range refused.members {
			body[k] = v
		}
		out, status = body, refused.status
	}
	w.Header().Set("Content-Type", jsonType)
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(out)
}

func (s *Server) serve(r *http.Request) (any, *refusal) {
	target := r.Header.Get("X-Amz-Target")
	op := operations[target]
	if op.answer == nil || r.Method != http.MethodPost || r.URL.Path != "/" || r.Header.Get("Content-Type") != jsonType {
		return nil, refuse("UnknownOperationException", "")
	}
	m := scope.FindStringSubmatch(r.Header.Get("Authorization"))
	if m == nil {
		return nil, &refusal{http.StatusForbidden, "MissingAuthenticationTokenException", "Missing Authentication Token", nil}
	}
	account, known := s.config.Keys[m[1]]
	switch {
	case !known:
		return nil, &refusal{http.StatusForbidden, "UnrecognizedClientException", "The security token included in the request is invalid.", nil}
	case m[3] != op.service:
		return nil, &refusal{http.StatusForbidden, "InvalidSignatureException", "Credential should be scoped to correct service: '" + op.service + "'.", nil}
	}
	_, name, _ := strings.Cut(target, ".")
	if !s.take(name, account) {
		return nil, &refusal{http.StatusBadRequest, throttles[op.service], "Rate exceeded", nil}
	}
	if s.config.Fault != nil {
		if err := s.config.Fault(name); err != nil {
			return nil, &refusal{http.StatusInternalServerError, "ServiceException", err.Error(), nil}
		}
	}
	if s.config.Deny != nil && s.config.Deny(name, account) {
		return nil, refuse("AccessDeniedException", "User: arn:aws:iam::"+account+":user/reader is not authorized to perform: "+op.service+":"+name)
	}
	var body json.RawMessage
	if err := json.NewDecoder(http.MaxBytesReader(nil, r.Body, 1<<16)).Decode(&body); err != nil {
		return nil, refuse("SerializationException", err.Error())
	}
	return op.answer(s, call{name, account, m[2], body})
}

// throttles are the names under which the services refuse too many calls.
var throttles = map[string]string{"identitystore": "ThrottlingException", "organizations": "TooManyRequestsException"}

// take counts a call, takes a token of the bucket that its operation has for
// each account, and reports whether there was one.
func (s *Server) take(name, account string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.counts[name]
	defer func() { s.counts[name] = c }()
	c.Requests++
	if s.config.PerSecond <= 0 {
		return true
	}
	key := name + " " + account
	if s.buckets[key] == nil {
		s.buckets[key] = rate.NewLimiter(rate.Limit(s.config.PerSecond), s.config.Burst)
	}
	if s.buckets[key].Allow() {
		return true
	}
	c.Throttled++
	return false
}

func (s *Server) describeUser(c call) (any, *refusal) {
	var in struct{ IdentityStoreId, UserId string }
	if err := json.Unmarshal(c.body, &in); err != nil {
		return nil, refuse("SerializationException", err.Error())
	}
	missing := func(kind, id string) *refusal {
		r := refuse("ResourceNotFoundException", kind+" not found.")
		r.members = map[string]string{"ResourceType": kind, "ResourceId": id}
		return r
	}
	switch {
	case in.IdentityStoreId == "" || len(in.IdentityStoreId) > 36:
		return nil, refuse("ValidationException", "1 validation error detected: Value at 'identityStoreId' failed to satisfy constraint")
	case in.UserId == "" || len(in.UserId) > 47:
		return nil, refuse("ValidationException", "1 validation error detected: Value at 'userId' failed to satisfy constraint")
	}
	i := slices.IndexFunc(s.config.Stores, func(st Store) bool { return st.ID == in.IdentityStoreId && st.Region == c.region })
	if i < 0 {
		return nil, missing("IDENTITY_STORE", in.IdentityStoreId)
	}
	for _, u := range s.config.Stores[i].Users {
		if u.ID != in.UserId {
			continue
		}
		return map[string]any{
			"IdentityStoreId": in.IdentityStoreId, "UserId": u.ID, "Revision": "1", "UserArn": "arn:aws:identitystore:::user/" + u.ID,
			"UserName": u.UserName, "DisplayName": u.DisplayName, "Emails": u.Emails,
			"Addresses":    []map[string]any{{"StreetAddress": "1 Private Way", "Primary": true}},
			"PhoneNumbers": []map[string]any{{"Value": "+1 555 0100", "Type": "mobile"}},
			"Birthdate":    "1990-01-01", "Title": "Head of Secrets", "Timezone": "Europe/Paris", "UserStatus": "ENABLED",
		}, nil
	}
	return nil, missing("USER", in.UserId)
}
