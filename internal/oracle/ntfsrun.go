package oracle

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var (
	ntfsRun      = regexp.MustCompile(`(?m)^\s+0x[0-9a-f]+\s+0x([0-9a-f]+)\s+0x([0-9a-f]+)\s*$`)
	ntfsDataSize = regexp.MustCompile(`Data size:\s+(\d+)`)
	ntfsCluster  = regexp.MustCompile(`Cluster Size:\s+(\d+)`)
)

// NTFSFile is where ntfsinfo says that a file of an NTFS volume lies, which must be in one piece: a part of
// the file that holds the volume, without copying it.
func NTFSFile(t testing.TB, v Volume, file string) Volume {
	t.Helper()
	Need(t, "ntfsinfo")
	image := v.File(t)
	place, err := ntfsFile(Run(t, "ntfsinfo", "-v", "-F", file, image), Run(t, "ntfsinfo", "-m", image))
	if err != nil {
		t.Fatalf("%s of %s: %v", file, v, err)
	}
	return Volume{Path: v.Path, Offset: v.Offset + place.Offset, Size: place.Size}
}

// ntfsFile reads what ntfsinfo prints of a file and of its volume.
func ntfsFile(info, volume string) (v Volume, err error) {
	_, data, ok := strings.Cut(info, "Dumping attribute $DATA")
	cluster, size := ntfsCluster.FindStringSubmatch(volume), ntfsDataSize.FindStringSubmatch(data)
	if !ok || cluster == nil || size == nil {
		return v, fmt.Errorf("ntfsinfo shows no $DATA, its size or the clusters':\n%s%s", info, volume)
	}
	runs := ntfsRun.FindAllStringSubmatch(data, -1)
	if len(runs) != 1 {
		return v, fmt.Errorf("it is in %d pieces:\n%s", len(runs), data)
	}
	lcn, err := strconv.ParseInt(runs[0][1], 16, 64)
	if err != nil {
		return v, err
	}
	bytes, err := strconv.ParseInt(cluster[1], 10, 64)
	if err != nil {
		return v, err
	}
	v.Offset = lcn * bytes
	v.Size, err = strconv.ParseInt(size[1], 10, 64)
	return v, err
}
