// What gguf-parser-go says that llama.cpp takes for GGUF files: reads a list of them with the ways to run each from standard
// input as JSON, and writes the bytes that each takes on the host and on the GPU to standard output. One process for all:
// a header is parsed but once, and a grid of hundreds of ways takes no time.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	parser "github.com/gpustack/gguf-parser-go"
)

// What is asked: files, and the tokens that a runner takes at once.
type order struct {
	Batch int32  `json:"batch"`
	Files []file `json:"files"`
}

// A file and the ways to run it.
type file struct {
	Path string `json:"path"`
	// A projector that is loaded beside it, or empty.
	Projector string `json:"projector"`
	Runs      []run  `json:"runs"`
}

// One way to run a file. Context is that of all sequences together, as llama.cpp takes it.
type run struct {
	Context   int32  `json:"context"`
	Parallel  int32  `json:"parallel"`
	CacheType string `json:"cacheType"`
	// Layers on the GPUs, the output layer among them.
	GpuLayers uint64 `json:"gpuLayers"`
	// GPUs that share them.
	Gpus int `json:"gpus"`
}

type answer struct {
	// Of each way to run it, in the order asked for.
	Runs []memory `json:"runs"`
}

// Bytes by where they are and what they are for.
type memory struct {
	Gpus []part `json:"gpus"`
	Host part   `json:"host"`
}

type part struct {
	Weights uint64 `json:"weights"`
	Cache   uint64 `json:"cache"`
	Compute uint64 `json:"compute"`
}

var cacheTypes = map[string]parser.GGMLType{
	"f16":  parser.GGMLTypeF16,
	"q8_0": parser.GGMLTypeQ8_0,
	"q4_0": parser.GGMLTypeQ4_0,
}

func main() {
	var o order
	if err := json.NewDecoder(os.Stdin).Decode(&o); err != nil {
		fail(fmt.Errorf("standard input: %w", err))
	}
	answers := make([]answer, 0, len(o.Files))
	for _, f := range o.Files {
		a, err := estimate(f, o.Batch)
		if err != nil {
			fail(fmt.Errorf("%s: %w", f.Path, err))
		}
		answers = append(answers, a)
	}
	if err := json.NewEncoder(os.Stdout).Encode(answers); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintf(os.Stderr, "gguf-estimate: %v\n", err)
	os.Exit(1)
}

func estimate(f file, batch int32) (answer, error) {
	model, err := parser.ParseGGUFFile(f.Path)
	if err != nil {
		return answer{}, err
	}
	var projector *parser.GGUFFile
	if f.Projector != "" {
		if projector, err = parser.ParseGGUFFile(f.Projector); err != nil {
			return answer{}, err
		}
	}
	var a answer
	for _, r := range f.Runs {
		cache, ok := cacheTypes[r.CacheType]
		if !ok {
			return answer{}, fmt.Errorf("cache type %q: not one of f16, q8_0, q4_0", r.CacheType)
		}
		shares := make([]float64, max(r.Gpus, 1))
		for i := range shares {
			shares[i] = float64(i+1) / float64(len(shares))
		}
		m := of(model, model.EstimateLLaMACppRun(
			parser.WithFlashAttention(),
			parser.WithLLaMACppContextSize(r.Context),
			parser.WithParallelSize(r.Parallel),
			parser.WithLLaMACppCacheKeyType(cache),
			parser.WithLLaMACppCacheValueType(cache),
			parser.WithLLaMACppLogicalBatchSize(batch),
			parser.WithLLaMACppPhysicalBatchSize(batch),
			parser.WithLLaMACppOffloadLayers(r.GpuLayers),
			parser.WithTensorSplitFraction(shares),
		), r)
		if projector != nil {
			m.addProjector(projector, r.GpuLayers > 0)
		}
		a.Runs = append(a.Runs, m)
	}
	return a, nil
}

// The runtime is not counted: it is of the driver and the process, and the header knows nothing of it.
func of(model *parser.GGUFFile, e parser.LLaMACppRunEstimate, r run) memory {
	host := partOf(e.Devices[0])
	if r.GpuLayers == 0 {
		// With all of it on the host, llama.cpp has no second copy of a table that is input and output.
		host.Weights = uint64(model.ModelSize)
	} else {
		// The parser notes the output on the host too when it is on a GPU.
		host.Weights -= uint64(e.Devices[0].Weight.Output)
	}
	var m memory
	m.Host = host
	if r.GpuLayers > 0 {
		for _, d := range e.Devices[1:] {
			m.Gpus = append(m.Gpus, partOf(d))
		}
	}
	return m
}

func partOf(d parser.LLaMACppRunDeviceUsage) part {
	return part{
		Weights: uint64(d.Weight.Sum()),
		Cache:   uint64(d.KVCache.Sum()),
		Compute: uint64(d.Footprint + d.Computation.Sum()),
	}
}

// A projector is on the first GPU whenever any layer is on one.
func (m *memory) addProjector(projector *parser.GGUFFile, gpu bool) {
	layers := uint64(0)
	if gpu {
		layers = ^uint64(0)
	}
	e := projector.EstimateLLaMACppRun(parser.WithFlashAttention(), parser.WithLLaMACppOffloadLayers(layers))
	m.Host.add(partOf(e.Devices[0]))
	if gpu {
		m.Gpus[0].add(partOf(e.Devices[1]))
	}
}

func (p *part) add(other part) {
	p.Weights += other.Weights
	p.Cache += other.Cache
	p.Compute += other.Compute
}
