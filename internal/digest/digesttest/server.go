package digesttest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"
)

// A Server answers like CloudTrail to DescribeTrails and ListPublicKeys, on
// loopback. Signatures of requests are not looked at.
type Server struct {
	URL string

	http   *httptest.Server
	mu     sync.Mutex
	keys   []Key
	trails []*Trail
	asked  int
}

// NewServer starts a server that has these keys, until Close.
func NewServer(keys ...Key) *Server {
	s := &Server{keys: keys}
	s.http = httptest.NewServer(s)
	s.URL = s.http.URL
	return s
}

// Close ends the server.
func (s *Server) Close() { s.http.Close() }

// Add makes a trail known.
func (s *Server) Add(t *Trail) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trails = append(s.trails, t)
}

// Asked is how often it was asked for keys.
func (s *Server) Asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// ARN is a trail's.
func (t *Trail) ARN() string {
	return "arn:aws:cloudtrail:" + t.Home + ":" + t.Account + ":trail/" + t.Name
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var in struct {
		StartTime, EndTime float64
		TrailNameList      []string `json:"trailNameList"`
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&in); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"__type":"SerializationException"}`)
		return
	}
	target := r.Header.Get("X-Amz-Target")
	switch operation := target[strings.LastIndexByte(target, '.')+1:]; operation {
	case "DescribeTrails":
		list := []map[string]any{}
		for _, t := range s.trails {
			list = append(list, map[string]any{
				"Name": t.Name, "S3BucketName": t.Bucket, "S3KeyPrefix": strings.TrimSuffix(t.Prefix, "/"), "TrailARN": t.ARN(),
				"HomeRegion": t.Home, "IsMultiRegionTrail": true, "IsOrganizationTrail": false, "LogFileValidationEnabled": true,
			})
		}
		json.NewEncoder(w).Encode(map[string]any{"trailList": list})
	case "ListPublicKeys":
		s.asked++
		list := []map[string]any{}
		for _, k := range s.keys {
			if !k.To.After(time.Unix(int64(in.StartTime), 0)) || !k.From.Before(time.Unix(int64(in.EndTime), 0)) {
				continue
			}
			list = append(list, map[string]any{"Fingerprint": k.Fingerprint, "Value": k.Value(), "ValidityStartTime": float64(k.From.Unix()), "ValidityEndTime": float64(k.To.Unix())})
		}
		json.NewEncoder(w).Encode(map[string]any{"PublicKeyList": list})
	default:
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"__type":"UnknownOperationException","message":%q}`, operation)
	}
}
