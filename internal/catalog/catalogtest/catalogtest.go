// Package catalogtest answers like the Glue Data Catalog and like Lake
// Formation over HTTP on loopback, for tests: pages come with tokens that must
// be given back, page sizes beyond AWS's are refused, and what AWS refuses is
// refused under AWS's names. Requests must carry a key that is known, for the
// right service; that signatures are right is athenaapitest's to verify.
package catalogtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/time/rate"
)

// A Config says what the server knows.
type Config struct {
	Places []Place
	Keys   map[string]string // access key id -> account

	// Deny says which calls of an account are refused for want of permission;
	// database is empty but for GetTables.
	Deny func(operation, account, database string) bool

	// PerSecond and Burst are the rate of each operation; zero is unlimited.
	PerSecond float64
	Burst     int

	PageSize int // at most so many an answer; zero is as many as are asked for
}

// A Place is the catalog of an account and region.
type Place struct {
	Account, Region string
	Databases       []Database
	Permissions     []any // as ListPermissions answers
}

// A Database is one of a catalog's. More is answered with it.
type Database struct {
	Name   string
	More   map[string]any
	Tables []map[string]any // as GetTables answers
	Broken bool             // it cannot be asked for its tables: it is federated, or a link to nothing
}

// A Server listens until Close.
type Server struct {
	URL string

	config Config
	http   *httptest.Server

	mu      sync.Mutex
	buckets map[string]*rate.Limiter
	calls   map[string]int
	refused int
}

// Start listens on a free port of 127.0.0.1.
func Start(config Config) *Server {
	s := &Server{config: config, buckets: map[string]*rate.Limiter{}, calls: map[string]int{}}
	s.http = httptest.NewServer(s)
	s.URL = s.http.URL
	return s
}

// Close cuts the connections and stops listening.
func (s *Server) Close() {
	s.http.CloseClientConnections()
	s.http.Close()
}

// Calls returns how often an operation was asked, and Throttled how many calls
// in all were refused because of their rate.
func (s *Server) Calls(operation string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[operation]
}

// Throttled returns how many calls were too fast.
func (s *Server) Throttled() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refused
}

// A refusal is an error under the name that AWS gives it.
type refusal struct {
	status        int
	code, message string
}

func refuse(code, format string, args ...any) *refusal {
	return &refusal{http.StatusBadRequest, code, fmt.Sprintf(format, args...)}
}

var scope = regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=([A-Z0-9]+)/[0-9]{8}/([a-z0-9-]+)/([a-z]+)/aws4_request, SignedHeaders=[a-z0-9;-]+, Signature=[0-9a-f]{64}$`)

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	out, refused := s.serve(r)
	status := http.StatusOK
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	if refused != nil {
		w.Header().Set("X-Amzn-Errortype", refused.code)
		out, status = map[string]string{"__type": refused.code, "Message": refused.message}, refused.status
	}
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(out)
}

// A request holds the members of all three operations.
type request struct {
	DatabaseName string
	MaxResults   *int
	NextToken    string
}

func (s *Server) serve(r *http.Request) (any, *refusal) {
	operation, service := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "AWSGlue."), "glue"
	if r.Header.Get("X-Amz-Target") == "" {
		operation, service = strings.TrimPrefix(r.URL.Path, "/"), "lakeformation"
	}
	most := map[string]int{"GetDatabases": 100, "GetTables": 100, "ListPermissions": 1000}[operation]
	if most == 0 || r.Method != http.MethodPost {
		return nil, refuse("UnknownOperationException", "%s", operation)
	}
	m := scope.FindStringSubmatch(r.Header.Get("Authorization"))
	if m == nil || m[3] != service {
		return nil, &refusal{http.StatusForbidden, "InvalidSignatureException", "Credential should be scoped to correct service: '" + service + "'."}
	}
	account, known := s.config.Keys[m[1]]
	if !known {
		return nil, &refusal{http.StatusForbidden, "UnrecognizedClientException", "The security token included in the request is invalid."}
	}
	var in request
	if err := json.NewDecoder(http.MaxBytesReader(nil, r.Body, 1<<16)).Decode(&in); err != nil {
		return nil, refuse("SerializationException", "%v", err)
	}
	if !s.take(operation, account) {
		return nil, refuse("ThrottlingException", "Rate exceeded")
	}
	if s.config.Deny != nil && s.config.Deny(operation, account, in.DatabaseName) {
		return nil, refuse("AccessDeniedException", "User: arn:aws:iam::%s:user/reader is not authorized to perform: %s:%s", account, service, operation)
	}
	place := Place{Account: account, Region: m[2]}
	if i := slices.IndexFunc(s.config.Places, func(p Place) bool { return p.Account == account && p.Region == m[2] }); i >= 0 {
		place = s.config.Places[i]
	}
	switch operation {
	case "GetDatabases":
		var list []any
		for _, d := range place.Databases {
			one := map[string]any{"Name": d.Name, "CatalogId": account, "Description": "not to be kept", "CreateTime": 1767225600}
			for k, v := range d.More {
				one[k] = v
			}
			list = append(list, one)
		}
		return page(in, most, s.config.PageSize, "DatabaseList", list)
	case "ListPermissions":
		return page(in, most, s.config.PageSize, "PrincipalResourcePermissions", place.Permissions)
	}
	i := slices.IndexFunc(place.Databases, func(d Database) bool { return d.Name == in.DatabaseName })
	switch {
	case in.DatabaseName == "":
		return nil, refuse("InvalidInputException", "1 validation error detected: Value null at 'databaseName' failed to satisfy constraint")
	case i < 0:
		return nil, refuse("EntityNotFoundException", "Database %s not found.", in.DatabaseName)
	case place.Databases[i].Broken:
		return nil, refuse("FederationSourceException", "the source does not answer")
	}
	var list []any
	for _, t := range place.Databases[i].Tables {
		one := map[string]any{"DatabaseName": in.DatabaseName, "Owner": "owner@example.com", "Description": "not to be kept", "CreatedBy": "arn:aws:iam::" + account + ":user/owner", "ViewOriginalText": "SELECT secret"}
		for k, v := range t {
			one[k] = v
		}
		list = append(list, one)
	}
	return page(in, most, s.config.PageSize, "TableList", list)
}

// page answers a part of a list. AWS's tokens are opaque; these belong to one
// list. It may give a page that is empty and not the last: so is the second.
func page(in request, most, size int, member string, list []any) (any, *refusal) {
	if in.MaxResults != nil {
		if *in.MaxResults < 1 || *in.MaxResults > most {
			return nil, refuse("InvalidInputException", "1 validation error detected: Value '%d' at 'maxResults' failed to satisfy constraint", *in.MaxResults)
		}
		most = *in.MaxResults
	}
	if size > 0 {
		most = min(most, size)
	}
	prefix, from, number := member+"-"+in.DatabaseName+"-", 0, 0
	if in.NextToken != "" {
		n, err := strconv.Atoi(strings.TrimPrefix(in.NextToken, prefix))
		if !strings.HasPrefix(in.NextToken, prefix) || err != nil || n < 1 {
			return nil, refuse("InvalidInputException", "You provided an invalid token")
		}
		number = n
		from = min(max(n-1, 0)*most, len(list))
		if n == 1 {
			from = min(most, len(list))
		}
	}
	to := min(from+most, len(list))
	if number == 1 {
		to = from
	}
	out := map[string]any{member: append([]any{}, list[from:to]...)}
	if to < len(list) {
		out["NextToken"] = prefix + strconv.Itoa(number+1)
	}
	return out, nil
}

// take counts a call, and reports whether its rate allows it.
func (s *Server) take(operation, account string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[operation]++
	if s.config.PerSecond <= 0 {
		return true
	}
	key := operation + " " + account
	if s.buckets[key] == nil {
		s.buckets[key] = rate.NewLimiter(rate.Limit(s.config.PerSecond), s.config.Burst)
	}
	if s.buckets[key].Allow() {
		return true
	}
	s.refused++
	return false
}
