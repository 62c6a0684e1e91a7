package web

import (
	"net/http"
	"time"
)

// At returns options whose server tells the time by now.
func (o Options) At(now func() time.Time) Options { o.now = now; return o }

// Endpoints are the patterns that a server answers.
func (s *Server) Endpoints() (patterns []string) {
	for _, e := range s.endpoints() {
		patterns = append(patterns, e.pattern)
	}
	return patterns
}

// EndpointOf returns the pattern that answers a request.
func (s *Server) EndpointOf(r *http.Request) string {
	mux := http.NewServeMux()
	for _, e := range s.endpoints() {
		mux.Handle(e.pattern, e.handler)
	}
	_, pattern := mux.Handler(r)
	return pattern
}
