//! The voice activity detector on recorded speech, tones and noise.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a test may panic, and its numbers are small"
)]

use antiphon_core::uplink::{VadConfig, VadEvent, VoiceActivityDetector};

const RATE_HZ: usize = 16_000;
const RECORDINGS: [&str; 7] = [
    "cards-001",
    "cards-002",
    "cards-003",
    "go-forward-ten-meters",
    "librivox-austen-0870",
    "librivox-austen-0890",
    "numbers",
];

/// The samples of a recording that the package carries: 16 kHz mono int16.
fn recording(name: &str) -> Vec<i16> {
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../python/antiphon/assets/speech"
    );
    let bytes = std::fs::read(format!("{folder}/{name}.wav")).unwrap();
    let data = bytes.windows(4).position(|tag| tag == b"data").unwrap() + 8;
    bytes[data..]
        .chunks_exact(2)
        .map(|b| i16::from_le_bytes([b[0], b[1]]))
        .collect()
}

/// Gaussian enough noise (twelve uniforms) of an RMS level.
struct Noise(u32);

impl Noise {
    fn sample(&mut self, dbfs: f64) -> f64 {
        let sum: f64 = (0..12).map(|_| self.uniform()).sum();
        (sum - 6.0) * 32_768.0 * 10_f64.powf(dbfs / 20.0)
    }

    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(self.0 >> 8) / f64::from(1_u32 << 24)
    }

    fn over(&mut self, pcm: &[i16], dbfs: f64) -> Vec<i16> {
        pcm.iter()
            .map(|&x| (f64::from(x) + self.sample(dbfs)).round() as i16)
            .collect()
    }
}

fn tone(hz: f64, dbfs: f64, seconds: f64) -> Vec<i16> {
    let peak = 2_f64.sqrt() * 32_768.0 * 10_f64.powf(dbfs / 20.0);
    let frames = (seconds * RATE_HZ as f64) as usize;
    (0..frames)
        .map(|i| (peak * (std::f64::consts::TAU * hz * i as f64 / RATE_HZ as f64).sin()) as i16)
        .collect()
}

fn events(config: VadConfig, pcm: &[i16]) -> Vec<VadEvent> {
    let mut detector = VoiceActivityDetector::new(config).unwrap();
    let mut found = Vec::new();
    detector.push(pcm, |event| found.push(event));
    found
}

/// Silence on both sides, so that start and end both show.
fn padded(pcm: &[i16]) -> Vec<i16> {
    let silence = vec![0; RATE_HZ];
    [&silence, pcm, &silence].concat()
}

#[test]
fn each_recording_is_one_utterance_at_any_usual_noise() {
    for name in RECORDINGS {
        let speech = recording(name);
        for noise_dbfs in [-90.0, -80.0, -70.0, -60.0, -55.0, -50.0, -45.0] {
            let pcm = Noise(7).over(&padded(&speech), noise_dbfs);
            let found = events(VadConfig::default(), &pcm);
            let [VadEvent::Start(start), VadEvent::End(end)] = found[..] else {
                panic!("{name} at {noise_dbfs} dBFS: {found:?}");
            };
            let (first, last) = (RATE_HZ as u64, (RATE_HZ + speech.len()) as u64);
            assert!(
                start >= first && end <= last + 160,
                "{name} at {noise_dbfs}: {start}..{end}"
            );
            assert!(
                end - start > (last - first) / 3,
                "{name} at {noise_dbfs}: {start}..{end}"
            );
        }
    }
}

#[test]
fn a_stream_may_begin_and_end_with_speech() {
    for name in RECORDINGS {
        let speech = recording(name);
        for noise_dbfs in [-90.0, -60.0, -45.0] {
            let found = events(VadConfig::default(), &Noise(3).over(&speech, noise_dbfs));
            assert!(
                matches!(found[0], VadEvent::Start(_)),
                "{name} at {noise_dbfs}: {found:?}"
            );
            assert!(found.len() <= 2, "{name} at {noise_dbfs}: {found:?}");
        }
    }
}

#[test]
fn a_tone_is_voice_for_its_whole_length() {
    for noise_dbfs in [-90.0, -60.0, -45.0] {
        for lead_s in [0, 1] {
            let lead = vec![0; lead_s * RATE_HZ];
            let pcm = [&lead[..], &tone(440.0, -11.0, 2.0), &vec![0; RATE_HZ]].concat();
            let found = events(VadConfig::default(), &Noise(5).over(&pcm, noise_dbfs));
            let (start, end) = (lead.len() as u64, (lead.len() + 2 * RATE_HZ) as u64);
            assert_eq!(found, [VadEvent::Start(start), VadEvent::End(end)]);
        }
    }
}

#[test]
fn a_tone_is_voice_frame_by_frame() {
    let mut detector = VoiceActivityDetector::new(VadConfig {
        prefix_padding_ms: 0,
        silence_duration_ms: 10,
        ..VadConfig::default()
    })
    .unwrap();
    let mut found = Vec::new();
    detector.push(&[0; RATE_HZ / 10], |event| found.push(event));
    for frame in tone(440.0, -11.0, 20.0).chunks(160) {
        detector.push(frame, |event| found.push(event));
        assert!(detector.speaking());
    }
    assert_eq!(found, [VadEvent::Start(1_600)]);
    assert!(detector.noise_floor_dbfs() < -62.0 + 20.0 * 1.6);
}

#[test]
fn noise_alone_is_not_voice_and_a_louder_noise_is_forgotten() {
    let quiet = vec![0_i16; 5 * RATE_HZ];
    for noise_dbfs in [-80.0, -55.0, -48.0, -45.0, -40.0] {
        let found = events(VadConfig::default(), &Noise(11).over(&quiet, noise_dbfs));
        assert_eq!(found, [], "{noise_dbfs}");
    }
    let mut noise = Noise(13);
    let pcm = [
        noise.over(&quiet, -80.0),
        noise.over(&quiet, -45.0),
        noise.over(&quiet, -45.0),
    ];
    let mut detector = VoiceActivityDetector::new(VadConfig::default()).unwrap();
    detector.push(&pcm.concat(), |_| ());
    assert!(!detector.speaking());
    assert!(
        (detector.noise_floor_dbfs() + 45.0).abs() < 2.0,
        "{}",
        detector.noise_floor_dbfs()
    );
}

#[test]
fn a_click_is_not_speech_and_a_pause_shorter_than_the_limit_is_no_end() {
    let silence = |ms: usize| vec![0_i16; RATE_HZ / 1_000 * ms];
    let click = tone(1_000.0, -6.0, 0.03);
    assert_eq!(events(VadConfig::default(), &padded(&click)), []);
    let word = tone(300.0, -20.0, 0.3);
    let joined = [
        &silence(300)[..],
        &word,
        &silence(490),
        &word,
        &silence(500),
    ]
    .concat();
    let parted = [
        &silence(300)[..],
        &word,
        &silence(500),
        &word,
        &silence(500),
    ]
    .concat();
    assert_eq!(events(VadConfig::default(), &joined).len(), 2);
    assert_eq!(events(VadConfig::default(), &parted).len(), 4);
}

#[test]
fn events_do_not_depend_on_how_the_stream_was_cut() {
    let pcm = Noise(1).over(&padded(&recording("numbers")), -60.0);
    let whole = events(VadConfig::default(), &pcm);
    let mut detector = VoiceActivityDetector::new(VadConfig::default()).unwrap();
    let mut found = Vec::new();
    let (mut rest, mut sizes) = (&pcm[..], [1, 159, 7, 1_000, 0, 320].into_iter().cycle());
    while !rest.is_empty() {
        let (head, tail) = rest.split_at(sizes.next().unwrap().min(rest.len()));
        detector.push(head, |event| found.push(event));
        rest = tail;
    }
    assert_eq!(found, whole);
    assert_eq!(detector.frames(), pcm.len() as u64);
    detector.reset();
    assert_eq!(detector.frames(), 0);
    assert!(detector.noise_floor_dbfs() < f64::MIN);
}

#[test]
fn a_configuration_out_of_range_is_refused_in_words() {
    let refused = |change: fn(&mut VadConfig)| {
        let mut config = VadConfig::default();
        change(&mut config);
        VoiceActivityDetector::new(config).unwrap_err().to_string()
    };
    assert!(refused(|c| c.sample_rate_hz = 7_999).contains("8000 to 48000"));
    assert!(refused(|c| c.sample_rate_hz = 22_055).contains("10 ms at 22055 Hz"));
    assert!(refused(|c| c.prefix_padding_ms = 2_001).contains("prefix_padding_ms is 2001"));
    assert!(refused(|c| c.silence_duration_ms = 9).contains("10 to 10000"));
    assert!(refused(|c| c.threshold_db = f64::NAN).contains("threshold_db is NaN"));
    assert!(refused(|c| c.min_dbfs = 0.5).contains("-100 to 0"));
}
