package chain

import (
	"regexp"
	"strings"
	"time"
)

// A Name is what the key of a digest file tells about it.
type Name struct {
	Chain
	At       time.Time // the end of the time that it covers, to the second
	Backfill bool      // CloudTrail made it later than its hour
}

// A Chain is whose digests belong together: those of one trail, in one region
// of one account. The zero value is none.
type Chain struct {
	Account string
	Region  string // whose log files are named
	Trail   string
	Home    string // the region that the trail was made in
}

var nameForm = regexp.MustCompile(`^([0-9]{12})_CloudTrail-Digest_([a-z0-9-]{1,40})_([A-Za-z0-9._-]{1,128})_([a-z0-9-]{1,40})_([0-9]{8}T[0-9]{6}Z)(_backfill)?\.json\.gz$`)

// timeForm is how names tell the time.
const timeForm = "20060102T150405Z"

// ParseName reads the key of a digest file, whatever folders it lies in
// (CloudTrail User Guide, "CloudTrail digest file structure"):
//
//	ACCOUNT_CloudTrail-Digest_REGION_TRAIL_HOMEREGION_YYYYMMDDTHHMMSSZ[_backfill].json.gz
func ParseName(key string) (Name, bool) {
	m := nameForm.FindStringSubmatch(key[strings.LastIndexByte(key, '/')+1:])
	if m == nil {
		return Name{}, false
	}
	at, err := time.Parse(timeForm, m[5])
	if err != nil {
		return Name{}, false
	}
	return Name{Chain{m[1], m[2], m[3], m[4]}, at, m[6] != ""}, true
}
