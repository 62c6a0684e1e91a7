package source

import (
	"path"
	"regexp"
	"slices"
	"strings"
	"time"
)

// A Name is what the key of a log file tells about it.
type Name struct {
	Account      string    // 12 digits
	Region       string    // such as eu-west-1
	Delivered    time.Time // to the minute; only to the day where the folders alone tell it
	Organization string    // o-..., from the folders; else empty
}

var (
	fileForm    = regexp.MustCompile(`^([0-9]{12})_CloudTrail_([a-z]{2}[a-z0-9-]{1,30})_([0-9]{8}T[0-9]{4}Z)(_[A-Za-z0-9]+)?(\.[^/]*)?$`)
	accountForm = regexp.MustCompile(`^[0-9]{12}$`)
	orgForm     = regexp.MustCompile(`^o-[a-z0-9]{4,34}$`)
	regionForm  = regexp.MustCompile(`^[a-z]{2}[a-z0-9-]{1,30}$`)
	otherForm   = regexp.MustCompile(`^[0-9]{12}_CloudTrail-(Digest|Insight|NetworkActivity|Aggregated)_`)
)

// otherFolders are what a trail delivers beside its log files (CloudTrail User
// Guide, "CloudTrail log file examples").
var otherFolders = []string{"CloudTrail-Digest", "CloudTrail-Insight", "CloudTrail-NetworkActivity", "CloudTrail-Aggregated"}

// ParseKey reads the key or path of a log file,
//
//	[prefix/]AWSLogs/[o-org/]ACCOUNT/CloudTrail/REGION/YYYY/MM/DD/ACCOUNT_CloudTrail_REGION_YYYYMMDDTHHmmZ_UNIQUE.json.gz
//
// The file's name is enough, whatever folders it lies in: trees lose their
// upper folders when people copy them. Without such a name, the folders from
// AWSLogs down to the day are enough. It reports false when neither tells.
func ParseKey(key string) (Name, bool) {
	segments := strings.Split(key, "/")
	base := segments[len(segments)-1]
	at := layoutOf(segments)
	if m := fileForm.FindStringSubmatch(base); m != nil {
		if t, err := time.Parse("20060102T1504Z", m[3]); err == nil {
			return Name{m[1], m[2], t, at.organization}, true
		}
	}
	if at.day.IsZero() {
		return Name{}, false
	}
	return Name{at.account, at.region, at.day, at.organization}, true
}

// A layout is what the folders of a key tell, as far as they follow the
// delivery layout. A field that they do not reach is empty.
type layout struct {
	root         int // index of AWSLogs; -1 without
	organization string
	account      string
	service      string // CloudTrail, CloudTrail-Digest, Config, ...
	region       string
	day          time.Time
}

// layoutOf reads folders, the last of segments being the file's name, or the
// empty text behind a prefix's last slash.
func layoutOf(segments []string) layout {
	folders := segments[:len(segments)-1]
	at := layout{root: -1}
	for i, s := range slices.Backward(folders) {
		if s == "AWSLogs" {
			at.root = i
			break
		}
	}
	if at.root < 0 {
		return at
	}
	rest := folders[at.root+1:]
	take := func(ok func(string) bool) (s string) {
		if len(rest) > 0 && ok(rest[0]) {
			s, rest = rest[0], rest[1:]
		}
		return s
	}
	at.organization = take(orgForm.MatchString)
	if at.account = take(accountForm.MatchString); at.account == "" {
		return at
	}
	if at.service = take(func(string) bool { return true }); at.service != "CloudTrail" {
		return at
	}
	if at.region = take(regionForm.MatchString); at.region == "" || len(rest) < 3 {
		return at
	}
	if day, err := time.Parse("2006/01/02", strings.Join(rest[:3], "/")); err == nil {
		at.day = day
	}
	return at
}

// isLog reports whether the file at key is one of a trail's log files, as far
// as its name tells: not a digest, not another service's log, and a name that
// ends like JSON or gzip does.
func isLog(key string) bool {
	segments := strings.Split(key, "/")
	base := segments[len(segments)-1]
	if otherForm.MatchString(base) || slices.ContainsFunc(segments[:len(segments)-1], func(s string) bool {
		return slices.Contains(otherFolders, s)
	}) {
		return false
	}
	if at := layoutOf(segments); at.service != "" && at.service != "CloudTrail" {
		return false
	}
	return hasLogEnding(base)
}

// hasLogEnding knows .json, .jsonl, .ndjson, each of them with .gz too, and any
// other .gz. Names with a dot in front are a system's own (.DS_Store, ._a.json).
func hasLogEnding(base string) bool {
	if strings.HasPrefix(base, ".") {
		return false
	}
	switch strings.ToLower(path.Ext(base)) {
	case ".json", ".jsonl", ".ndjson", ".gz":
		return true
	}
	return false
}

// logEndings is for errors.
const logEndings = ".json, .jsonl, .ndjson or .gz"
