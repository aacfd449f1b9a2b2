package credential

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// Credentials carry addresses below the public URL of the registry.
const (
	// typeMetadataPath is where types' metadata is served: the type's code and its
	// version follow.
	typeMetadataPath = "/v1/trust/types/"
	// statusListPath is where status lists are served: the list's number follows.
	statusListPath = "/v1/trust/status-lists/"
)

// VCT returns the name of a version of a type in credentials: an address below the public URL of the registry.
func VCT(publicURL string, code TypeCode, version int) string {
	return fmt.Sprintf("%s%s%s/%d", publicURL, typeMetadataPath, code, version)
}

// StatusListURI returns the address of a registry's status list.
func StatusListURI(publicURL string, list int64) string {
	return publicURL + statusListPath + strconv.FormatInt(list, 10)
}

// ParseStatusListURI returns the number of a status list, if its address is one of the
// registry's.
func ParseStatusListURI(publicURL, uri string) (list int64, ok bool) {
	number, ok := strings.CutPrefix(uri, publicURL+statusListPath)
	if !ok {
		return 0, false
	}
	list, err := strconv.ParseInt(number, 10, 64)
	return list, err == nil
}

// CheckPublicURL refuses what can't be the public URL of a registry.
func CheckPublicURL(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil || strings.HasSuffix(s, "/") {
		return errors.New("the public URL must be absolute, http or https, and have no slash at its end, query or fragment")
	}
	return nil
}
